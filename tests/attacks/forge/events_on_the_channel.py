"""Tries: to send the supervisor its own events on the channel to a student process.
Against: 15-caching (hit)
Must: score at most 0; unmet; says /sent a malformed message/
"""

import gc

import msgspec

host = next(each for each in gc.get_objects() if type(each).__name__ == "Host")


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        for body in ({"type": "finished", "result": {"outcome": "met"}}, {"type": "final", "finished": 4}):
            payload = msgspec.msgpack.encode([0, body])
            host._connection.sendall(len(payload).to_bytes(4, "big") + payload)

"""Tries: to write events to the host as if it were the supervisor, through descriptors and /proc.
Against: 15-caching (hit)
Must: score at most 0; unmet; says /sent a message of|nothing was written|malformed message/
"""

import os

import msgspec


def event(number, body):
    payload = msgspec.msgpack.encode([number, body])
    return len(payload).to_bytes(4, "big") + payload


RESULT = {"id": "test_correctness::test_hit", "text": "x", "outcome": "met"}
FORGED = event(3, {"type": "finished", "result": RESULT}) + event(
    4, {"type": "final", "finished": 1, "digest": "", "dependability": {}, "unexecuted": None}
)
for path in ("/proc/1/fd/1", "/proc/1/fd/4", f"/proc/{os.getppid()}/fd/1", "/dev/stdout", "/dev/console", "/dev/tty"):
    try:
        with open(path, "wb", buffering=0) as file:
            file.write(FORGED)
            if path.startswith("/proc/"):
                print("BREACH", path)
    except OSError:
        pass


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        for number in range(1, 256):
            try:
                os.set_blocking(number, False)
                os.write(number, FORGED)
            except OSError:
                pass
        raise LookupError("nothing was written")

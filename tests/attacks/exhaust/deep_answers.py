"""Tries: to answer with a value that is nested too deeply for whoever decodes it.
Against: 01-toy (counts)
Must: score at most 0; unmet; says /sent a malformed message|nested deeper/
"""

import gc

import msgspec

host = next(each for each in gc.get_objects() if type(each).__name__ == "Host")


class Counter:
    def add(self, amount):
        deep = b"\x92\xa1l\x91" * 200_000 + b"\xc0"
        payload = b"\x93\xa4turn\x91\x93\xa4done\x01" + deep + b"\x92\xa4idle\xc0"
        host._connection.sendall(len(payload).to_bytes(4, "big") + payload)

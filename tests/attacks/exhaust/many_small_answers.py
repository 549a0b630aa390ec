"""Tries: to make the supervisor hold gigabytes: frames full of empty lists, which grow thirtyfold when decoded.
Against: 01-toy (counts)
Must: score at most 0; unmet; says /sent one turn of more than|used up all the memory|was stopped|read all that/; within 25 s
"""

import gc

host = next(each for each in gc.get_objects() if type(each).__name__ == "Host")
EMPTY = b"\x92\xa1l\x90"
INNER = b"\x92\xa1l\xdc" + (60_000).to_bytes(2, "big") + EMPTY * 60_000
ANSWER = b"\x92\xa1l\x94" + INNER * 4
TURN = b"\x93\xa4turn\x91\x93\xa4done\x7f" + ANSWER + b"\x91\xa4more"


class Counter:
    def add(self, amount):
        for _ in range(63):
            host._connection.sendall(len(TURN).to_bytes(4, "big") + TURN)

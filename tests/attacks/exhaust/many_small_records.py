"""Tries: to make the supervisor hold gigabytes: frames full of records without fields, each of which becomes an object.
Against: 01-toy (counts)
Must: score at most 0; unmet; says /expected 3, got|sent one turn of more than|used up all the memory|was stopped|read all that/; within 30 s
"""

import gc

host = next(each for each in gc.get_objects() if type(each).__name__ == "Host")
start = type(host)._start
EMPTY = b"\x93\xa1d\xa0\x90"
INNER = b"\x92\xa1l\xdc" + (50_000).to_bytes(2, "big") + EMPTY * 50_000
ANSWER = b"\x92\xa1l\x93" + INNER * 3
FRAMES = 8


def answer(self, call):
    if call.method != "add":
        return start(self, call)
    for number in range(FRAMES):
        state = b"\x91\xa4more" if number < FRAMES - 1 else b"\x92\xa4idle\xc0"
        turn = b"\x93\xa4turn\x91\x93\xa4done\xcd" + call.id.to_bytes(2, "big") + ANSWER + state
        self._connection.sendall(len(turn).to_bytes(4, "big") + turn)


type(host)._start = answer


class Counter:
    def add(self, amount):
        pass

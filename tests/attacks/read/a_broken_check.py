"""Tries: to break a check with an answer of the wrong shape, so that our own traceback comes into the report.
Against: 01-toy
Must: score at most 40; unmet; says /add in a row/

The 40 points are for the sums of its plain calls, which are right.
"""

import gc

from kata.wire import Done

host = next(each for each in gc.get_objects() if type(each).__name__ == "Host")
start = type(host)._start


def answer_with_a_number(self, call):
    if call.each:
        self._send(Done(call.id, 2000))
    else:
        start(self, call)


type(host)._start = answer_with_a_number


class Counter:
    total = 0

    def add(self, amount):
        self.total += amount
        return self.total

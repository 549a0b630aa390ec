"""Tries: to hang in C code that looks at no signal: a regular expression that backtracks for ever.
Against: 01-toy (counts)
Must: score at most 0; unmet; says /was stopped on line \\d+/
"""

import re


class Counter:
    def add(self, amount):
        return re.match(r"(a|a)*$", "a" * 60 + "b")

"""Tries: to bring its words into the report by file names, function names and lines of its tracebacks.
Against: 15-caching (hit, fresh)
Must: score at most 0; unmet; says /raised (ValueError|MemoryError)/
"""

import linecache

NAME = "<b>\x1b[31m\u202eget</b>"
SOURCE = "def run():\n    raise ValueError('x')  # \x1b[2J <script>\n"
for path in (
    "/submission/../../etc/passwd",
    "/submission/<script>.py",
    "/submission/" + "a" * 9000,
    "/submission/\x1b[2J",
):
    linecache.cache[path] = (1, None, ["secret \x1b[31m<script>\n"] * 9, path)


def made(path):
    space = {}
    exec(compile(SOURCE, path, "exec"), space)
    function = space["run"]
    function.__code__ = function.__code__.replace(co_name=NAME, co_firstlineno=2**31 - 2)
    return function


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        made("/submission/<script>.py")()

    def _unused(self):
        pass

"""Tries: to have exceptions carry out what lies on the stack above it: arguments, locals, the caller's frames.
Against: 15-caching (hit)
Must: score at most 0; unmet; says /every frame: /
"""

import sys


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        raise ValueError("every frame: " + self.everything())

    def everything(self):
        frame, found = sys._getframe(1), []
        while frame is not None:
            found.append(f"{frame.f_code.co_filename}:{frame.f_lineno} {frame.f_locals!r}"[:400])
            frame = frame.f_back
        return "\n".join(found)

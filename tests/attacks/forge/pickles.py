"""Tries: to have the supervisor unpickle an answer, or copy it, and so run code there.
Against: 15-caching (hit)
Must: score at most 0; unmet; says /expected .*, got /
"""

import copyreg
import pickle


class Evil:
    def __reduce__(self):
        return print, ("BREACH",)

    __reduce_ex__ = lambda self, protocol: (print, ("BREACH",))
    __deepcopy__ = lambda self, memo: print("BREACH")
    __getstate__ = lambda self: print("BREACH")


copyreg.pickle(Evil, lambda value: (print, ("BREACH",)))


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        pass

    async def get(self, key):
        class Plain:
            def __reduce__(self):
                return exec, ("print('BREACH')",)

        return pickle.dumps(Plain()) if key == "ada" else Evil()

    put = invalidate = get

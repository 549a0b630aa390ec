"""Tries: to import the grader's modules, by name and by every loader that there is.
Against: 15-caching (hit)
Must: score at most 0; unmet; says /nothing was found/
"""

import importlib
import importlib.util
import pkgutil
import runpy
import sys

sys.meta_path[:] = [each for each in sys.meta_path if type(each).__name__ != "_OwnFilesAlone"]
sys.path += ["/grader", "/grader/grader", "/work", "/", "/opt/kata", ".", ".."]
importlib.invalidate_caches()
for name in ("conftest", "model", "test_correctness", "test_failure", "test_timing", "kata.content.graders"):
    for way in (importlib.import_module, runpy.run_module, pkgutil.get_loader, importlib.util.find_spec):
        try:
            if way(name) is not None:
                print("BREACH", name)
        except BaseException:
            pass


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        raise LookupError("nothing was found")

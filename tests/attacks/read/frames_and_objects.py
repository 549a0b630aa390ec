"""Tries: to find the grader among the objects, frames and modules of its own process.
Against: 15-caching (hit)
Must: score at most 0; unmet; says /nothing was found/
"""

import gc
import sys

WANTED = ("kata.grading", "kata.supervisor", "pytest", "_pytest", "hypothesis", "conftest", "model", "test_correctness")
for name in WANTED:
    if name in sys.modules:
        print("BREACH", name)

gc.unfreeze() if hasattr(gc, "unfreeze") else None
for each in gc.get_objects():
    try:
        text = each.get("__file__", "") if type(each) is dict else getattr(each, "co_filename", "")
    except Exception:
        continue
    if isinstance(text, str) and ("graders/" in text or text.endswith(("test_correctness.py", "conftest.py"))):
        print("BREACH", text)

frame = sys._getframe()
while frame is not None:
    for name, value in list(frame.f_locals.items()):
        if "test_" in name or "expected" in name:
            print("BREACH", name, value)
    frame = frame.f_back


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        raise LookupError("nothing was found")

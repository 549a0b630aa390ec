"""Tries: to shadow modules of the sandbox, of the toolkit and of the standard library with files of those names.
Against: 15-caching (hit)
Must: score at most 0; unmet; says /they were not shadowed/
"""

NAMES = ("msgspec", "freezegun", "random", "json", "asyncio", "coverage", "kata", "kata/wire", "pytest")
MAIN = """
import kata, msgspec, asyncio
for module in (kata, msgspec, asyncio):
    if hasattr(module, "EVIL"):
        print("own", module.__name__)


class CacheAside:
    def __init__(self, *values, **named):
        raise LookupError("they were not shadowed")
"""


def build(folder):
    (folder / "cache_aside.py").write_text(MAIN)
    for name in NAMES:
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "__init__.py").write_text("EVIL = True\nprint('BREACH', __name__)\n")
    return folder

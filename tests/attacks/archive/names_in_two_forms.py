"""Tries: the same with two ways to write one letter.
Against: 15-caching
Must: score at most 0; refused; says /is not a name that a submission may have/
"""

import unicodedata


def build(folder):
    (folder / "cache_aside.py").write_text("class CacheAside: pass\n")
    for form in ("NFC", "NFD"):
        (folder / unicodedata.normalize(form, "café.py")).touch()
    return folder

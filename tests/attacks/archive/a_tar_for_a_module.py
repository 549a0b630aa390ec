"""Tries: to hand in an archive, with a path that climbs out of it, under the main file's name.
Against: 15-caching (hit)
Must: score at most 0; unmet; says /can't be imported/
"""

import io
import tarfile


def build(folder):
    with tarfile.open(folder / "cache_aside.py", "w") as archive:
        for name in ("../../../../tmp/evil.py", "/tmp/evil.py", "cache_aside.py"):
            entry = tarfile.TarInfo(name)
            entry.size = 4
            archive.addfile(entry, io.BytesIO(b"evil"))
    return folder / "cache_aside.py"

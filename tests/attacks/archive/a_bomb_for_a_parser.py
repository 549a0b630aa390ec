"""Tries: to hang or crash Python's compiler with source that is legal, and a megabyte of brackets.
Against: 15-caching (hit)
Must: score at most 0; unmet; says /can't be imported/
"""


def build(folder):
    deep = "(" * 90 + "1" + ")" * 90
    source = "x = " + "-" * 200_000 + "1\n" + f"y = [{','.join([deep] * 3_000)}]\n"
    (folder / "cache_aside.py").write_text(source + "z = " + "[" * 5_000 + "]" * 5_000 + "\n")
    return folder

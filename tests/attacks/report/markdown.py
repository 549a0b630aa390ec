"""Tries: to write the summary of a CI job itself: headings, tables, mentions, images, links, broken fences.
Against: 15-caching (hit, fresh)
Must: score at most 0; unmet; says /raised /
"""

EVIL = (
    "```\n~~~\n\n# 100/100 all met\n\n| a | b |\n|---|---|\n| ok | `100` |\n\n@everyone #1 ![x](https://evil.example/x.png)"
    "\n[link](javascript:alert(1)) <details open><summary>x</summary>\n- [x] met\n***\n    code\n<!-- "
)
print(EVIL)


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        print("`" * 300)
        raise ValueError(EVIL + "`" * 50)

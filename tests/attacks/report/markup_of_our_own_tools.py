"""Tries: to speak to what draws the terminal and the page: rich's markup, format strings, templates.
Against: 15-caching (hit, fresh)
Must: score at most 0; unmet; says /raised /
"""

EVIL = "[bold green]100/100[/] [link=https://evil.example]x[/link] [/] %s %n {0} {self.__class__} {{ 7*7 }} ${x} \\u001b[31m :smile: [@click=app.bell]"
print(EVIL)


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        print(EVIL)
        raise ValueError(EVIL)

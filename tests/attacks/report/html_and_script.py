"""Tries: to run script in whoever opens the report: tags, attributes, entities, templates, in every text it has.
Against: 15-caching (hit, fresh, errors)
Must: score at most 0; unmet; says /raised /
"""

EVIL = (
    "</pre></details></style></title><script>document.title='owned'</script>"
    "<img src=x onerror=\"document.title='owned'\"><body onload=document.title='owned'>"
    "\" onmouseover=\"document.title='owned'\" '><iframe srcdoc=\"<script>parent.document.title='owned'</script>\">"
    "&lt;script&gt;&#x3c;script&#x3e;{{ 7*7 }}{% raw %}<!--<a href=javascript:alert(1)>x</a>"
)
print(EVIL)


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        self.store = store

    async def get(self, key):
        print(EVIL)
        await self.store.read(EVIL)
        raise type(EVIL, (Exception,), {})(EVIL)

    put = invalidate = get

"""Tries: to leave an image with script in it in what it answers.
Against: 15-caching (hit, fresh)
Must: score at most 0; unmet; says /got '<svg/
"""

SVG = (
    "<svg xmlns='http://www.w3.org/2000/svg' onload=\"document.title='owned'\"><script>document.title='owned'</script>"
    "<use href='data:image/svg+xml,x'/><foreignObject><body onload=alert(1)></foreignObject></svg>"
)


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        pass

    async def get(self, key):
        return SVG

    put = invalidate = get

"""Tries: to meet another process on the loopback interface, on abstract sockets, and on netlink.
Against: 15-caching (flat-cost)
Must: score at most 0; unmet; says /nobody answers/
Control: in `process` a socket can be had.
"""

import socket

for family, address in (
    (socket.AF_INET, ("127.0.0.1", 47_110)),
    (socket.AF_INET6, ("::1", 47_110)),
    (socket.AF_UNIX, "\0kata-meets"),
    (socket.AF_UNIX, "../meet"),
):
    try:
        peer = socket.socket(family, socket.SOCK_DGRAM)
        print("BREACH a socket", family)
        peer.close()
    except OSError:
        pass
one, other = socket.socketpair()
for end in (one, other):
    for attempt in (lambda: end.bind("\0kata-meets"), lambda: end.connect("\0kata-meets"), lambda: end.listen()):
        try:
            attempt()
            print("BREACH a pair became more")
        except OSError:
            pass


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        self.store = store

    async def get(self, key):
        if key == "key2047":  # by now two processes live side by side
            raise LookupError("nobody answers")
        return await self.store.read(key)

"""Tries: to make device nodes, and to write to the devices that are there.
Against: 15-caching (hit)
Must: score at most 0; unmet; says /nothing was open/
"""

import os
import stat

for major, minor, kind in ((1, 1, stat.S_IFCHR), (8, 0, stat.S_IFBLK), (254, 0, stat.S_IFBLK), (5, 1, stat.S_IFCHR)):
    try:
        os.mknod(f"node{major}-{minor}", kind | 0o666, os.makedev(major, minor))
        print("BREACH", major, minor)
    except OSError:
        pass
for name in (
    "mem",
    "kmem",
    "port",
    "sda",
    "vda",
    "nvme0n1",
    "kmsg",
    "fuse",
    "kvm",
    "net/tun",
    "vhost-net",
    "loop0",
    "console",
):
    try:
        os.close(os.open(f"/dev/{name}", os.O_RDWR | os.O_NONBLOCK))
        print("BREACH", name)
    except OSError:
        pass


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        raise PermissionError("nothing was open")

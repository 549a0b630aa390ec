"""Tries: to read whatever descriptors it was born with, and to give the zygote orders through them.
Against: 15-caching (hit)
Must: score at most 0; unmet; says /nothing was found/
"""

import os
import socket
import stat

for number in range(256):
    try:
        mode = os.fstat(number).st_mode
    except OSError:
        continue
    if stat.S_ISREG(mode) or stat.S_ISBLK(mode):
        print("BREACH a file is open", number)
    if stat.S_ISSOCK(mode):
        with socket.socket(fileno=os.dup(number)) as peer:
            try:
                waiting = peer.recv(4096, socket.MSG_PEEK | socket.MSG_DONTWAIT)
            except OSError:
                continue
            if waiting:
                print("BREACH mail of somebody else", waiting[:60])


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        raise LookupError("nothing was found")

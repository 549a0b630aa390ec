"""Tries: to reach the docker daemon, or anything else that listens, by socket file and by network.
Against: 15-caching (hit)
Must: score at most 0; unmet; says /nobody answers/
"""

import asyncio
import os
import socket
import urllib.request

for path in (
    "/var/run/docker.sock",
    "/run/docker.sock",
    "/run/containerd/containerd.sock",
    "/run/dbus/system_bus_socket",
):
    if os.path.exists(path):
        print("BREACH", path)
    try:
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(path)
            print("BREACH", path)
    except OSError:
        pass
for address in (("127.0.0.1", 2375), ("172.17.0.1", 22), ("169.254.169.254", 80), ("8.8.8.8", 53)):
    try:
        socket.create_connection(address, timeout=1)
        print("BREACH", address)
    except OSError:
        pass
try:
    urllib.request.urlopen("http://169.254.169.254/latest/meta-data/", timeout=1)
    print("BREACH")
except OSError:
    pass
try:
    socket.getaddrinfo("example.org", 80)
    print("BREACH resolved")
except OSError:
    pass


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        raise ConnectionError("nobody answers")

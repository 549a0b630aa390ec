"""Tries: to fill the supervisor with descriptors that travel with its frames.
Against: 01-toy (counts)
Must: score at most 0; unmet; says /expected 3, got None/
"""

import gc
import os
import socket

host = next(each for each in gc.get_objects() if type(each).__name__ == "Host")
sent = [os.open("/dev/null", os.O_RDONLY) for _ in range(100)]


class Wrapped:
    def __init__(self, connection):
        self.connection = connection
        self.recv = connection.recv

    def sendall(self, data):
        done = socket.send_fds(self.connection, [data], sent)
        self.connection.sendall(data[done:])


host._connection = Wrapped(host._connection)


class Counter:
    def add(self, amount):
        return None

"""What a student process prints: up to the bound it arrives as it is, and beyond it printing goes on without cost."""

from __future__ import annotations

import os
from threading import Thread

import pytest

from kata.student import printed


@pytest.fixture
def pipe():
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)


def read_all(reading: int, into: bytearray) -> None:
    while data := os.read(reading, 1 << 16):
        into += data


def test_lines_arrive_as_they_are_printed(pipe) -> None:
    reading, writing = pipe
    stream = printed.stream(writing)
    print("naïve \udc80", file=stream)
    assert os.read(reading, 100) == "naïve \\udc80\n".encode()
    assert stream.fileno() == writing
    os.close(writing)


def test_beyond_the_bound_nothing_arrives_and_printing_goes_on(pipe) -> None:
    reading, writing = pipe
    arrived = bytearray()
    reader = Thread(target=read_all, args=(reading, arrived))
    reader.start()
    stream = printed.stream(writing)
    line = "x" * 99_999
    for _ in range(100):
        print(line, file=stream)
    stream.buffer.write(b"raw")
    stream.flush()
    os.close(writing)
    reader.join()
    assert printed.BYTES_MAX <= len(arrived) < printed.BYTES_MAX + 2 * len(line)
    assert set(arrived) == set(b"x\n")

"""Tries: to have the reader read a device without an end.
Against: 15-caching
Must: score at most 0; refused; says /not a regular file|is neither|is larger than/
"""

from pathlib import Path


def build(folder):
    return Path("/dev/zero")

"""Tries: to wait for ever while it is imported, using nothing.
Against: 01-toy
Must: score at most 0; unmet; says /can't be imported.*was stopped/
"""

import signal

signal.pause()

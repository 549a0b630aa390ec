"""Tries: to command the terminal from what it prints, raises and answers.
Against: 15-caching (hit, fresh)
Must: score at most 0; unmet; says /raised /
"""

COMMANDS = (
    "\x1b[2J\x1b[H\x1b]0;owned\x07\x1b[31m\x9b31m\x1b]8;;https://evil.example\x07click\x1b]8;;\x07\x1bP1$r\x1b\\\x90"
    "\x1b[?1049h\x0e\x0f\r100/100\x08\x08\x7f\x1b[6n\x05"
)
print(COMMANDS)


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        print(COMMANDS)
        raise type(f"E{COMMANDS}", (Exception,), {})(COMMANDS)

"""Tries: to be imported for ever.
Against: 01-toy
Must: score at most 0; unmet; says /can't be imported.*was stopped/
"""

while True:
    pass

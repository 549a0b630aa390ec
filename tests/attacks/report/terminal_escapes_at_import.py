"""Tries: the same from an import that fails, whose message stands at the top of the report.
Against: 15-caching (hit)
Must: score at most 0; unmet; says /can't be imported/
"""

print("\x1b]52;c;b3duZWQ=\x07\x1b[2J")
raise type("\x1b[2JError", (Exception,), {})("\x1b[8m\u202e\u2066owned\x85\u2028\x00")

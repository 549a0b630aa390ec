"""Tries: to end its process well while it is imported.
Against: 15-caching (hit)
Must: score at most 0; unmet; says /can't be imported.*SystemExit: 0/
"""

import sys

sys.exit(0)

"""Tries: to break JUnit's XML: characters that XML has not, the end of CDATA, entities, declarations.
Against: 15-caching (hit, fresh)
Must: score at most 0; unmet; says /raised /
"""

EVIL = "]]><testcase name='owned'/>&#0;&amp;&owned;<!DOCTYPE x [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>" + "".join(
    map(chr, [*range(32), 0x7F, 0x85, 0xFFFE, 0xFFFF, 0xFDD0])
)
print(EVIL)


class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        print(EVIL)
        raise KeyError(EVIL)

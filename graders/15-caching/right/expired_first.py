"""Design: expired values make room first, by a heap; a value's age counts from when it was asked for; who waits for an overtaken load looks again."""

import asyncio, heapq, itertools, time
from collections import OrderedDict
class Load:
    def __init__(self): self.over=False; self.waiters=[]
class CacheAside:
    def __init__(self, store, ttl, capacity, grace=0.0):
        self.store,self.ttl,self.capacity,self.grace=store,ttl,capacity,grace
        self.vals=OrderedDict(); self.loads={}; self.births=[]; self.n=itertools.count()
    def _insert(self,key,value,at):
        self.vals.pop(key,None)
        if len(self.vals)>=self.capacity:
            now=time.monotonic()
            while self.births and now-self.births[0][0]>=self.ttl:
                at0,i,k=heapq.heappop(self.births)
                if k in self.vals and self.vals[k][2]==i: del self.vals[k]; break
            else: self.vals.popitem(last=False)
        i=next(self.n); self.vals[key]=(value,at,i); heapq.heappush(self.births,(at,i,key))
        if len(self.births)>2*self.capacity+16:
            self.births=[(v[1],v[2],k) for k,v in self.vals.items()]; heapq.heapify(self.births)
    async def get(self,key):
        while True:
            v=self.vals.get(key)
            if v is not None:
                self.vals.move_to_end(key)
                if time.monotonic()-v[1]<self.ttl: return v[0]
            ld=self.loads.get(key)
            if ld is None:
                ld=self.loads[key]=Load(); asyncio.get_running_loop().create_task(self._run(key,ld))
            f=asyncio.get_running_loop().create_future(); ld.waiters.append(f)
            kind,x=await f
            if kind=="value": return x
            if kind=="error": raise x
    async def _run(self,key,ld):
        at=time.monotonic()
        try: r=("value",await self.store.read(key))
        except Exception as e: r=("error",e)
        if ld.over:
            # a newer truth exists: those that waited look again, unless this was an error
            if r[0]=="value": r=("again",None)
        else:
            del self.loads[key]
            if r[0]=="value": self._insert(key,r[1],at)
            else:
                v=self.vals.get(key)
                if v is not None and time.monotonic()-v[1]<self.ttl+self.grace: r=("value",v[0])
        for f in ld.waiters:
            if not f.done(): f.set_result(r)
    def _overtake(self,key):
        ld=self.loads.pop(key,None)
        if ld: ld.over=True
    async def put(self,key,value):
        ok=False
        try:
            await self.store.write(key,value); ok=True
        finally:
            self._overtake(key); self.vals.pop(key,None)
        self._insert(key,value,time.monotonic())
    async def invalidate(self,key):
        self._overtake(key); self.vals.pop(key,None)

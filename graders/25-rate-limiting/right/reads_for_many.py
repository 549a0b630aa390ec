"""Design: calls of a shared key that wait at one moment share a read and a write; locally, logs and sums in ordered dictionaries, two old keys dropped at each call."""

from dataclasses import dataclass
import time, math, asyncio, json, struct, collections, threading
@dataclass(frozen=True)
class Decision:
    allowed: bool
    remaining: int
    retry_after: float | None
from collections import OrderedDict, deque
class _Base:
    def _trim(self,now):
        for _ in range(2):
            if not self.d: return
            k=next(iter(self.d))
            if now-self.d[k].last<self.span: return
            del self.d[k]
class S: pass
class FixedWindow(_Base):
    def __init__(self, limit, window): self.limit=limit; self.span=self.window=window; self.d=OrderedDict()
    def allow(self, key, cost=1):
        if cost<1: raise ValueError("cost must be at least 1")
        now=time.monotonic(); self._trim(now)
        s=self.d.get(key)
        if s and now>=s.last+self.window: del self.d[key]; s=None
        used=s.used if s else 0
        left=self.limit-used
        if cost>self.limit: return Decision(False,left,None)
        if cost>left: return Decision(False,left,s.last+self.window-now)
        if not s: s=self.d[key]=S(); s.last=now; s.used=0
        s.used+=cost
        return Decision(True,left-cost,0.0)
class SlidingWindow(_Base):
    def __init__(self, limit, window): self.limit=limit; self.span=self.window=window; self.d=OrderedDict()
    def allow(self, key, cost=1):
        if cost<1: raise ValueError("cost must be at least 1")
        now=time.monotonic(); self._trim(now)
        s=self.d.get(key)
        if s:
            while s.log and now>=s.log[0][0]+self.window: s.used-=s.log.popleft()[1]
        left=self.limit-(s.used if s else 0)
        if cost>self.limit: return Decision(False,left,None)
        if cost>left:
            need=cost-left
            for t,c in s.log:
                need-=c
                if need<=0: return Decision(False,left,t+self.window-now)
        if not s: s=self.d[key]=S(); s.log=deque(); s.used=0
        s.log.append((now,cost)); s.used+=cost; s.last=now; self.d.move_to_end(key)
        return Decision(True,left-cost,0.0)
class TokenBucket(_Base):
    def __init__(self, capacity, rate): self.c=capacity; self.r=rate; self.span=capacity/rate; self.d=OrderedDict()
    def allow(self, key, cost=1):
        if cost<1: raise ValueError("cost must be at least 1")
        now=time.monotonic(); self._trim(now)
        s=self.d.get(key)
        tok=min(self.c,s.tok+(now-s.last)*self.r) if s else self.c
        if cost>self.c: return Decision(False,int(tok),None)
        if tok<cost: return Decision(False,int(tok),(cost-tok)/self.r)
        if not s: s=self.d[key]=S()
        s.tok=tok-cost; s.last=now; self.d.move_to_end(key)
        return Decision(True,int(s.tok),0.0)
class SharedTokenBucket:
    """calls of one key that come together are decided together: one read and one compare_and_set for all; writes on denial too"""
    def __init__(self, store, capacity, rate, *, fail_open, timeout):
        self.s=store; self.c=capacity; self.r=rate; self.timeout=timeout; self.line={}
        self.policy=Decision(True,0,0.0) if fail_open else Decision(False,0,timeout)
    async def allow(self, key, cost=1):
        if cost<1: raise ValueError("cost must be at least 1")
        if cost>self.c: return Decision(False,0,None)
        f=asyncio.get_running_loop().create_future()
        if key in self.line: self.line[key].append((cost,f))
        else:
            self.line[key]=[(cost,f)]; asyncio.create_task(self._serve(key))
        try:
            async with asyncio.timeout(self.timeout): return await f
        except TimeoutError: return self.policy
    async def _serve(self,key):
        while True:
            batch=[x for x in self.line[key] if not x[1].done()]; self.line[key]=[]
            if not batch: del self.line[key]; return
            work=asyncio.ensure_future(self._round(key,batch))
            await asyncio.wait({work,*()} | {asyncio.ensure_future(self._all(batch))},return_when=asyncio.FIRST_COMPLETED)
            if not work.done(): work.cancel()
            elif not work.cancelled() and work.exception():
                for _,f in batch:
                    if not f.done(): f.set_result(self.policy) if isinstance(work.exception(),ConnectionError) else f.set_exception(work.exception())
    async def _all(self,batch):
        await asyncio.wait([f for _,f in batch])
    async def _round(self,key,batch):
        while True:
            raw,ver,now=await self.s.read(key)
            live=[x for x in batch if not x[1].done()]
            tok=float(self.c)
            if raw is not None:
                tok,at=struct.unpack("<dd",raw); tok=min(self.c,tok+(now-at)*self.r)
            answers=[]
            for cost,f in live:
                if tok>=cost: tok-=cost; answers.append((f,True,int(tok),0.0))
                else: answers.append((f,False,int(tok),(cost-tok)/self.r))
            if await self.s.compare_and_set(key,ver,struct.pack("<dd",tok,now),(self.c-tok)/self.r+0.25):
                for f,*a in answers:
                    if not f.done(): f.set_result(Decision(*a))
                return

"""Design: a broadcaster of callbacks that writes four KiB at a time; pongs also after a close, a constant ping, the reason of a close repeated."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Opened:
    """The handshake is done; the path with its query, as it was asked for."""

    path: str


@dataclass(frozen=True)
class Rejected:
    """The handshake was refused with that HTTP status, and the connection is over."""

    status: int


@dataclass(frozen=True)
class Message:
    """A whole message: str for text, bytes for binary."""

    data: str | bytes


@dataclass(frozen=True)
class Ping:
    """A ping; its pong is already in `data_to_send()`."""

    payload: bytes


@dataclass(frozen=True)
class Pong:
    """A pong."""

    payload: bytes


@dataclass(frozen=True)
class Closed:
    """The connection is over: the client's code and reason, 1005 without a code, 1006 without a close,
    or the code with which you failed the connection."""

    code: int
    reason: str


Event = Opened | Rejected | Message | Ping | Pong | Closed

import asyncio, base64, binascii, hashlib, struct, time
from collections import deque
GUID=b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
def sendable(c): return 1000<=c<=1003 or 1007<=c<=1011 or 3000<=c<=4999
def frame(op,p):
    n=len(p)
    if n<126: h=bytes([0x80|op,n])
    elif n<65536: h=struct.pack("!BBH",0x80|op,126,n)
    else: h=struct.pack("!BBQ",0x80|op,127,n)
    return h+p
def message_frame(m): return frame(1,m.encode()) if isinstance(m,str) else frame(2,bytes(m))
class Fail(Exception):
    def __init__(self,code,reason): self.code=code; self.reason=reason
class WebSocketServer:
    def __init__(self,*,max_message=1_048_576,ping_interval=20.0,ping_timeout=10.0,close_timeout=5.0):
        self.max=max_message; self.pi=ping_interval; self.pt=ping_timeout; self.ct=close_timeout
        self.buf=bytearray(); self.out=bytearray(); self.state="new"; self.scan=0
        self.head=None; self.op=None; self.parts=bytearray()
        self.due=None; self.waiting=None; self.count=0; self.deadline=None
    # --- out
    def data_to_send(self):
        d=bytes(self.out); self.out.clear(); return d
    def _open(self):
        if self.state!="open": raise RuntimeError("the connection is not open")
    def send(self,m):
        self._open(); self.out+=message_frame(m)
    def ping(self,payload=b""):
        self._open()
        if len(payload)>125: raise ValueError("at most 125 bytes")
        self.out+=frame(9,bytes(payload))
    def close(self,code=1000,reason=""):
        if self.state=="new": raise RuntimeError("not opened")
        r=reason.encode()
        if self.state!="open": return
        if not sendable(code) or len(r)>123: raise ValueError("code or reason")
        self.out+=frame(8,struct.pack("!H",code)+r); self.state="closing"
        self.due=self.waiting=None; self.deadline=time.monotonic()+self.ct
    # --- in
    def receive_eof(self):
        if self.state=="over": return []
        self._end(); return [Closed(1006,"")]
    def _end(self):
        self.state="over"; self.buf.clear(); self.parts.clear(); self.due=self.deadline=self.waiting=None
    def receive_data(self,data):
        ev=[]
        if self.state=="over": return ev
        self.buf+=data
        if self.state=="new" and not self._handshake(ev): return ev
        try:
            while self.state!="over" and self._frame(ev): pass
        except Fail as f:
            if self.state=="open": self.out+=frame(8,struct.pack("!H",f.code)+f.reason.encode())
            ev.append(Closed(f.code,f.reason)); self._end()
        return ev
    def _handshake(self,ev):
        i=self.buf.find(b"\r\n\r\n",max(0,self.scan-3)); self.scan=len(self.buf)
        if i<0 or i+4>8192:
            if len(self.buf)>8192: self._refuse(ev,431,"Request Header Fields Too Large")
            return False
        head=bytes(self.buf[:i]); del self.buf[:i+4]
        try: path,accept=self._request(head)
        except Fail as f: self._refuse(ev,f.code,f.reason); return False
        self.out+=b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "+accept+b"\r\n\r\n"
        self.state="open"; self.due=time.monotonic()+self.pi
        ev.append(Opened(path)); return True
    def _refuse(self,ev,status,phrase):
        extra="Sec-WebSocket-Version: 13\r\n" if status==426 else ""
        self.out+=f"HTTP/1.1 {status} {phrase}\r\nConnection: close\r\nContent-Length: 0\r\n{extra}\r\n".encode()
        ev.append(Rejected(status)); self._end()
    def _request(self,head):
        bad=Fail(400,"Bad Request")
        lines=head.decode("latin-1").split("\r\n"); first=lines[0].split(" ")
        if len(first)!=3 or first[0]!="GET" or first[2]!="HTTP/1.1" or not first[1]: raise bad
        h={}
        for l in lines[1:]:
            n,c,v=l.partition(":")
            if not c or not n or n!=n.strip(): raise bad
            h.setdefault(n.lower(),[]).append(v.strip(" \t"))
        def vals(n): return [x.strip().lower() for v in h.get(n,[]) for x in v.split(",")]
        if "host" not in h or "websocket" not in vals("upgrade") or "upgrade" not in vals("connection"): raise bad
        k=h.get("sec-websocket-key",[])
        if len(k)!=1: raise bad
        try:
            if len(base64.b64decode(k[0],validate=True))!=16: raise bad
        except (binascii.Error,ValueError): raise bad
        if h.get("sec-websocket-version")!=["13"]: raise Fail(426,"Upgrade Required")
        return first[1],base64.b64encode(hashlib.sha1(k[0].encode()+GUID).digest())
    def _frame(self,ev):
        if self.head is None and not self._header(): return False
        fin,op,n,off=self.head
        if len(self.buf)<off+n: return False
        mask=bytes(self.buf[off-4:off]); data=bytes(self.buf[off:off+n]); del self.buf[:off+n]; self.head=None
        if n:
            data=(int.from_bytes(data,"big")^int.from_bytes((mask*(n//4+1))[:n],"big")).to_bytes(n,"big")
        if op==8: self._close(ev,data)
        elif op==9:
            self.out+=frame(10,data)
            ev.append(Ping(data))
        elif op==10:
            ev.append(Pong(data))
            if self.waiting is not None and data==self.waiting[0]:
                self.waiting=None; self.due=time.monotonic()+self.pi
        else:
            if op: self.op=op
            self.parts+=data
            if fin:
                p=bytes(self.parts); self.parts=bytearray(); o=self.op; self.op=None
                if o==1:
                    try: p=p.decode()
                    except UnicodeDecodeError: raise Fail(1007,"not UTF-8")
                ev.append(Message(p))
        return True
    def _header(self):
        b=self.buf
        if len(b)<2: return False
        fin,op,n=b[0]&128,b[0]&15,b[1]&127
        if b[0]&0x70: raise Fail(1002,"reserved bit")
        if op not in(0,1,2,8,9,10): raise Fail(1002,"opcode")
        if not b[1]&128: raise Fail(1002,"not masked")
        if op>=8 and (not fin or n>125): raise Fail(1002,"control frame")
        if op==0 and self.op is None: raise Fail(1002,"nothing to continue")
        if op in(1,2) and self.op is not None: raise Fail(1002,"message not ended")
        off=2
        if n==126:
            if len(b)<4: return False
            n=int.from_bytes(b[2:4],"big"); off=4
        elif n==127:
            if len(b)<10: return False
            n=int.from_bytes(b[2:10],"big"); off=10
        if op<8 and n+len(self.parts)>self.max: raise Fail(1009,"too big")
        if len(b)<off+4: return False
        self.head=(fin,op,n,off+4); return True
    def _close(self,ev,p):
        if len(p)==1: raise Fail(1002,"close of one byte")
        code,reason=1005,""
        if p:
            code=int.from_bytes(p[:2],"big")
            if not sendable(code): raise Fail(1002,"code")
            try: reason=p[2:].decode()
            except UnicodeDecodeError: raise Fail(1007,"reason")
        if self.state=="open": self.out+=frame(8,p)
        ev.append(Closed(code,reason)); self._end()
    # --- timers
    def _next(self):
        if self.deadline is not None: return self.deadline
        if self.waiting is not None: return self.waiting[1]
        return self.due
    def next_timer(self):
        t=self._next(); return None if t is None else max(0,t-time.monotonic())
    def handle_timer(self):
        t=self._next(); now=time.monotonic()
        if t is None or now<t: return []
        if self.deadline is not None or self.waiting is not None:
            self._end(); return [Closed(1006,"")]
        self.count+=1; p=b"\x00are you there?\xff"
        self.out+=frame(9,p); self.waiting=(p,now+self.pt); self.due=None
        return []
class Broadcaster:
    """callbacks: each write is a task of its own, and its end begins the next; half a frame may go in one write"""
    def __init__(self,buffer_limit): self.limit=buffer_limit; self.lines={}; self.tasks={}
    def add(self,client):
        if client not in self.lines: self.lines[client]=[]
    def remove(self,client):
        self.lines.pop(client,None)
        if t:=self.tasks.pop(client,None): t.cancel()  # it may not have begun yet
    def _begin(self,client,line):
        head=line[0]
        piece=bytes(head[:4096]); 
        t=self.tasks[client]=asyncio.ensure_future(client.write(piece))
        t.add_done_callback(lambda t: self._ended(client,line,len(piece),t))
    def _ended(self,client,line,n,t):
        if t.cancelled() or t.exception():
            if self.lines.get(client) is line: del self.lines[client]
            return
        line[0]=line[0][n:]
        if not line[0]: line.pop(0)
        if line and self.lines.get(client) is line: self._begin(client,line)
    def publish(self,message):
        f=message_frame(message); taken=0
        for client,line in list(self.lines.items()):
            if sum(map(len,line))+len(f)>self.limit:
                self.remove(client); client.abort()
            else:
                line.append(f); taken+=1
                if len(line)==1: self._begin(client,line)
        return taken

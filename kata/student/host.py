"""What a student process does: import the submission, answer calls, ask for what the grader's objects hold.

It strictly alternates with the supervisor: one `Deliver` comes in, everything runs until nothing can, one `Turn` goes
out. Whatever student code does to this module, all that can leave the process are values on its own channel.
"""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import dataclasses
import enum
import functools
import importlib.abc
import importlib.util
import inspect
import linecache
import os
import socket
import sys
import threading
import traceback
import warnings
from types import CodeType, FrameType, ModuleType, TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from kata.student import clock
from kata.student.confine import Confinement, confine
from kata.student.loop import LockstepLoop
from kata.student.orders import is_full
from kata.wire import (
    FRAME_BYTES_MAX,
    NAME_CHARS_MAX,
    NAMES_MAX,
    Answer,
    Ask,
    Asking,
    Call,
    Cancel,
    Deliver,
    Done,
    Error,
    Failed,
    Farewell,
    Frame,
    Handle,
    Hello,
    Idle,
    Lines,
    More,
    Packer,
    Record,
    Refusal,
    Sleeping,
    Stay,
    Turn,
    Unpacker,
    Way,
    WireError,
    error_of,
    frame,
    read_frame,
    seconds_to_ns,
    shown,
)

if TYPE_CHECKING:
    from kata.student.coverage import Tracer

FOLDER = "submission"
"""The submission's files stand in a folder of that name, in the process's own directory."""

ORIGIN = f"/{FOLDER}"
"""Where its main file claims to be from in tracebacks: the same in every process, so that it is compiled once."""

_encoder = msgspec.msgpack.Encoder()
_deliveries = msgspec.msgpack.Decoder(Deliver)


class Submission(NamedTuple):
    """The submission's files by relative name, which of them to import, and its code if `compiled` before."""

    files: dict[str, bytes]
    entry: str
    code: CodeType | None


def compiled(files: dict[str, bytes], entry: str) -> CodeType:
    """The code of a submission's main file. SyntaxError or ValueError when it is none."""
    path = f"{ORIGIN}/{entry}"
    code = compile(files[entry], path, "exec", dont_inherit=True)
    # What a traceback shows of it can't be read from there.
    text = importlib.util.decode_source(files[entry])
    linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)
    return code


def run(connection: socket.socket, confinement: Confinement, submission: Submission, tracer: Tracer | None) -> None:
    """Confine this process, import the submission, then serve its channel until the supervisor ends it."""
    try:
        protections = confine(confinement)
        folder = os.path.join(os.getcwd(), FOLDER)
        _write_files(folder, submission.files)
    except Exception as error:
        hello = Hello([], f"{type(error).__name__}: {error}"[:2000], is_full(error))
        connection.sendall(frame(_encoder.encode(hello)))
        return
    connection.sendall(frame(_encoder.encode(Hello(list(protections)))))
    Host(connection, folder, submission, tracer).serve()


def _write_files(folder: str, files: dict[str, bytes]) -> None:
    os.mkdir(folder)
    for name, content in files.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "xb") as file:
            file.write(content)


class Host:
    """The objects that the grader holds handles to, the calls that run, and the channel."""

    def __init__(self, connection: socket.socket, folder: str, submission: Submission, tracer: Tracer | None) -> None:
        self._connection = connection
        self._folder = folder
        self._submission = submission
        self._tracer = tracer
        self._module = ModuleType("submission")
        self._objects: dict[int, object] = {}
        self._numbers: dict[int, int] = {}
        self._remotes: dict[int, Remote] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._asks = 0
        self._outbox: list[Done | Failed | Ask | Lines] = []
        self._outbox_bytes = 0
        self._postponed: list[Any] = []
        self._packer = Packer(self._handle)
        self._unpacker = Unpacker(self._resolve, self._record)
        self._loop = LockstepLoop(self._give_turn)
        self._loop.set_exception_handler(lambda _, told: self._tell_unseen(told["message"], told.get("exception")))
        threading.excepthook = lambda ended: self._tell_unseen("Exception in a thread", ended.exc_value)
        warnings.formatwarning = self._worded
        clock.replace_sleep(self._sleep)

    def serve(self) -> None:
        """Run until the channel closes. SystemExit of student code ends the process, as it would anywhere."""
        asyncio.set_event_loop(self._loop)
        self._loop.call_soon(self._load)
        with contextlib.suppress(EOFError):
            self._loop.run_forever()

    def close(self) -> None:
        """Close the loop, where the process goes on."""
        asyncio.set_event_loop(None)
        self._loop.close()

    # ------------------------------------------------------------ turns

    def _give_turn(self, timeout: float | None) -> None:
        """Nothing can run: say so, and take in what comes."""
        timer = None
        if timeout is not None:
            timer = clock.monotonic_ns() + max(1, seconds_to_ns(timeout))
        self._exchange(Idle(timer))
        messages, self._postponed = self._postponed, []
        for message in messages:
            self._loop.call_soon(self._take, message)

    def _exchange(self, state: Idle | Asking | Sleeping) -> None:
        messages, self._outbox, self._outbox_bytes = self._outbox, [], 0
        self._connection.sendall(frame(_encoder.encode(Turn(messages, state))))
        delivery = _deliveries.decode(read_frame(self._read_exactly, FRAME_BYTES_MAX))
        clock.set_time(delivery.monotonic_ns, delivery.wall_ns)
        self._postponed.extend(delivery.messages)

    def _read_exactly(self, size: int) -> bytes:
        data = self._connection.recv(size)
        while len(data) < size:
            part = self._connection.recv(size - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    def _send(self, message: Done | Failed | Ask | Lines) -> None:
        """Keep it for the end of the turn; a turn that grows beyond a frame goes out in several."""
        size = len(_encoder.encode(message))
        if size > FRAME_BYTES_MAX - 1024:
            raise WireError(f"an answer of {size:,} bytes; at most {FRAME_BYTES_MAX:,} may cross")
        if self._outbox_bytes + size > FRAME_BYTES_MAX - 1024:
            self._connection.sendall(frame(_encoder.encode(Turn(self._outbox, More()))))
            self._outbox, self._outbox_bytes = [], 0
        self._outbox.append(message)
        self._outbox_bytes += size

    # ------------------------------------------------------------ what comes

    def _take(self, message: Call | Cancel | Answer | Refusal | Farewell | Stay) -> None:
        match message:
            case Call():
                self._start(message)
            case Answer() | Refusal():
                waiting = self._waiting.pop(message.id, None)
                if waiting is not None and not waiting.done():
                    self._settle(waiting, message)
            case Cancel():
                task = self._tasks.get(message.id)
                if task is not None:
                    task.cancel()
            case Farewell():
                self._say_farewell(message.statements)
            case Stay():
                with contextlib.suppress(OSError):  # it was taken away meanwhile
                    os.sched_setaffinity(0, {message.core})

    def _say_farewell(self, statements: bool) -> None:
        if self._tracer is None:
            return
        for name in sorted(self._submission.files):
            if name.endswith(".py"):
                path = f"{self._folder}/{name}"
                origin = f"{ORIGIN}/{name}" if name == self._submission.entry else path
                executed = self._tracer.lines(origin)  # first, for `statements` would empty the collector
                self._send(Lines(name, self._tracer.statements(path) if statements else [], executed))

    def _load(self) -> None:
        """Import the submission. To the supervisor that is the answer to call 0."""
        files, entry, code = self._submission
        name = entry.removesuffix(".py")
        sys.path.insert(0, self._folder)
        sys.meta_path.insert(0, _OwnFilesAlone(self._folder))
        try:
            spec = importlib.util.spec_from_file_location(name, f"{self._folder}/{entry}")
            assert spec is not None
            self._module = importlib.util.module_from_spec(spec)
            sys.modules[name] = self._module
            code = code or compiled(files, entry)
            if self._tracer is not None:
                self._tracer.wake()
            exec(code, vars(self._module))  # noqa: S102
            names = [n for n in vars(self._module) if isinstance(n, str) and not n.startswith("_")]
        except BaseException as error:
            self._fail(0, error)
        else:
            self._finish(0, [name[:NAME_CHARS_MAX] for name in names[:NAMES_MAX]])

    def _start(self, call: Call) -> None:
        target: object = self._module if call.target == 0 else self._objects.get(call.target)
        try:
            method = getattr(target, call.method)
            args = [self._unpacker.unpack(arg) for arg in call.args]
            kwargs = {name: self._unpacker.unpack(value) for name, value in call.kwargs.items()}
            if call.each:
                result: Any = self._each(target, args, call)
            else:
                result = method(*args, **kwargs)
                if isinstance(method, type):
                    # What the grader constructs stays here, also where it is a dataclass.
                    result = self._keep(result)
                _look_how_it_answers(call, result)
                if not inspect.isawaitable(result):
                    self._finish(call.id, result, call.gives)
                    return
        except BaseException as error:
            self._fail(call.id, error)
        else:
            task = self._loop.create_task(self._await(call, result))
            self._tasks[call.id] = task
            task.add_done_callback(functools.partial(self._ended, call.id, result))

    def _ended(self, call_id: int, awaitable: Any, task: asyncio.Task[None]) -> None:
        self._tasks.pop(call_id, None)
        if task.cancelled():  # before its first step: nothing of `_await` was run
            if inspect.iscoroutine(awaitable):
                awaitable.close()
            self._fail(call_id, asyncio.CancelledError())

    async def _await(self, call: Call, awaitable: Any) -> None:
        try:
            result = await awaitable
        except BaseException as error:
            self._fail(call.id, error)
        else:
            self._finish(call.id, result, call.gives)

    async def _each(self, target: object, calls: list[Any], call: Call) -> list[Any]:
        """The answers of all; each call looks the method up anew, as a caller would: it may have changed meanwhile."""
        if call.each == "at once":
            begun = [getattr(target, call.method)(*args) for args in calls]
            for result in begun:
                _look_how_it_answers(call, result)
            return await asyncio.gather(*begun)
        results = []
        for args in calls:
            result = getattr(target, call.method)(*args)
            _look_how_it_answers(call, result)
            results.append(await result if inspect.isawaitable(result) else result)
        return results

    def _finish(self, call_id: int, result: object, gives: str = "") -> None:
        if gives and not isinstance(result, Handle) and type(result) not in _DATA:
            result = self._keep(result, gives)
        try:
            self._send(Done(call_id, self._packer.pack(result)))
        except BaseException as error:
            self._send(Failed(call_id, error_of(error), protocol=True))

    def _fail(self, call_id: int, error: BaseException) -> None:
        self._send(Failed(call_id, error_of(error, self._frames(error))))

    def _frames(self, error: BaseException) -> list[Frame]:
        """The submission's own lines, innermost last."""
        if isinstance(error, SyntaxError) and (name := self._own_name(error.filename or "")):
            return [Frame(name, error.lineno or 0, "", (error.text or "").strip()[:300])]
        frames = []
        for at, line in traceback.walk_tb(error.__traceback__):
            path = at.f_code.co_filename
            if name := self._own_name(path):
                source = linecache.getline(path, line).strip()[:300]
                frames.append(Frame(name, line, at.f_code.co_name[:200], source))
        return frames[-20:]

    def _tell_unseen(self, what: str, error: object) -> None:
        """Print an exception that nobody looked at, without lines of ours: Python would print little else."""
        told = [what]
        if isinstance(error, BaseException):
            told.append(shown(error))
            told += [f"{frame.file}, line {frame.line}" for frame in self._frames(error)[-1:]]
        sys.stderr.write(": ".join(told) + "\n")

    def _worded(
        self, message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
    ) -> str:
        """A warning in a line, with its place if that is the submission's own."""
        name = self._own_name(filename)
        return f"{f'{name}:{lineno}: ' if name else ''}{category.__name__}: {message}\n"

    def _own_name(self, path: str) -> str:
        """The submission's name for one of its files; empty for any other file."""
        for folder in (ORIGIN, self._folder):
            if path.startswith(f"{folder}/"):
                return path[len(folder) + 1 :][:200]
        return ""

    # ------------------------------------------------------------ asking

    def ask(self, remote: Remote, method: str, way: Way, args: Any, kwargs: Any) -> Any:
        """Call a method of the grader's object: a future to await, the answer itself, or None at once."""
        self._asks += 1
        number = self._asks
        packed = [self._packer.pack(arg) for arg in args]
        named = {str(name): self._packer.pack(value) for name, value in kwargs.items()}
        request = Ask(number, remote._kata_id, method, packed, named)
        in_main_thread = threading.current_thread() is threading.main_thread()
        if way == "post" and in_main_thread:
            self._send(request)
            return None
        if way == "await":
            future: asyncio.Future[Any] = self._loop.create_future()
            self._waiting[number] = future
            self._send(request)
            return future
        if in_main_thread:
            return self._ask_and_block(request)
        return self._ask_from_thread(request, answered=way == "call")

    def _ask_and_block(self, request: Ask) -> Any:
        self._send(request)
        while True:
            self._exchange(Asking(request.id))
            for index, message in enumerate(self._postponed):
                if isinstance(message, Answer | Refusal) and message.id == request.id:
                    del self._postponed[index]
                    return self._outcome(message)

    def _ask_from_thread(self, request: Ask, answered: bool) -> Any:
        future: asyncio.Future[Any] = asyncio.Future(loop=self._loop)

        def begin(resume: Any) -> None:
            future.add_done_callback(lambda _: resume())
            self._send(request)
            if answered:
                self._waiting[request.id] = future
            else:
                future.set_result(None)

        self._loop.wait_in_thread(begin)
        return future.result()

    def _sleep(self, seconds: float) -> None:
        """`time.sleep` in virtual time. In the loop's thread it blocks the whole process, as it really would."""
        if seconds < 0:
            raise ValueError("sleep length must be non-negative")
        if threading.current_thread() is not threading.main_thread():
            self._loop.wait_in_thread(functools.partial(self._loop.call_later, seconds))
            return
        until = clock.monotonic_ns() + seconds_to_ns(seconds)
        while clock.monotonic_ns() < until:
            self._exchange(Sleeping(until))

    def _settle(self, future: asyncio.Future[Any], message: Answer | Refusal) -> None:
        try:
            future.set_result(self._outcome(message))
        except Exception as error:
            future.set_exception(error)

    def _outcome(self, message: Answer | Refusal) -> Any:
        if isinstance(message, Refusal):
            raise self._exception(message.error)
        return self._unpacker.unpack(message.value)

    # ------------------------------------------------------------ values

    def _exception(self, error: Error) -> Exception:
        """By name: the submission's own class, else the built-in one, else a new one of that name."""
        for space in (self._module, builtins):
            kind = getattr(space, error.type, None)
            if isinstance(kind, type) and issubclass(kind, Exception):
                return kind(error.message)
        unknown: type[Exception] = type(error.type, (Exception,), {})
        return unknown(error.message)

    def _record(self, name: str, /, **fields: Any) -> object:
        """By name: the submission's own dataclass, named tuple or enum's member, else a Record."""
        kind = getattr(self._module, name, None)
        if isinstance(kind, type):
            if dataclasses.is_dataclass(kind):
                return _dataclass_of(kind, fields)
            if issubclass(kind, enum.Enum) and fields.get("name") in kind.__members__:
                return kind[fields["name"]]
            if issubclass(kind, tuple) and tuple(fields) == getattr(kind, "_fields", None):
                return kind(**fields)
        return Record(name, **fields)

    def _handle(self, value: object) -> Handle | None:
        if isinstance(value, Remote):
            return Handle(value._kata_id, "", {}, home=True)
        if isinstance(value, Handle):
            return value
        return None if _is_plain(value) else self._keep(value)

    def _keep(self, value: object, name: str = "") -> Handle:
        number = self._numbers.setdefault(id(value), len(self._objects) + 1)
        self._objects[number] = value
        return Handle(number, name or type(value).__name__[:200], {})

    def _resolve(self, handle: Handle) -> object:
        if handle.home:
            return self._objects[handle.id]
        known = self._remotes.get(handle.id)
        if known is None:
            known = self._remotes[handle.id] = Remote(self, handle)
        return known


class _OwnFilesAlone(importlib.abc.MetaPathFinder):
    """Refuses what is neither the standard library's nor the submission's own: the same in every sandbox.

    For fairness, not for safety: a package that happens to be installed here would be missing where it is graded.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        top = fullname.partition(".")[0]
        own = os.path.join(self._folder, top)
        if top in sys.stdlib_module_names or top in sys.modules or os.path.isdir(own) or os.path.isfile(f"{own}.py"):
            return
        raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


class Remote:
    """What student code sees of an object that the grader owns: its methods, and nothing else."""

    def __init__(self, host: Host, handle: Handle) -> None:
        self._kata_id = handle.id
        self._kata_type = handle.type
        for name, way in handle.methods.items():
            setattr(self, name, _method(host, self, name, way))

    def __repr__(self) -> str:
        return f"<{self._kata_type}>"


def _method(host: Host, remote: Remote, name: str, way: Way) -> Any:
    if way == "await":

        async def call_and_wait(*args: Any, **kwargs: Any) -> Any:
            return await host.ask(remote, name, way, args, kwargs)

        call: Any = call_and_wait
    else:

        def call_plainly(*args: Any, **kwargs: Any) -> Any:
            return host.ask(remote, name, way, args, kwargs)

        call = call_plainly
    call.__name__ = call.__qualname__ = name
    return call


_DATA = {type(None), bool, int, float, str, bytes, list, tuple, dict, set, frozenset}
"""Of none of these is an object that has methods of an interface."""
# Asked of most values that cross: to make a union each time would take longer than to ask.
_PLAIN = (*_DATA - {type(None)}, bytearray, memoryview)
_NEVER_PLAIN = (type, ModuleType, FrameType, CodeType, TracebackType)


def _look_how_it_answers(call: Call, result: object) -> None:
    """Raise what a caller would meet who goes by the interface: TypeError."""
    if call.awaited is None or inspect.isawaitable(result) == call.awaited:
        return
    if call.awaited:
        raise TypeError(
            f"{call.method} is awaited by its callers, and has answered {shown(result)} at once; "
            "the stub has it as `async def`"
        )
    if inspect.iscoroutine(result):
        result.close()
    raise TypeError(
        f"{call.method} is not awaited by its callers, and has answered {type(result).__name__}; "
        "the stub has it as a plain `def`"
    )


def _dataclass_of(kind: type, fields: dict[str, Any]) -> object:
    """Made as its author would; what its constructor does not take is set afterwards."""
    set_later = {f.name for f in dataclasses.fields(kind) if not f.init}
    made = kind(**{name: value for name, value in fields.items() if name not in set_later})
    for name in set_later & fields.keys():
        object.__setattr__(made, name, fields[name])
    return made


def _is_plain(value: object) -> bool:
    """Whether a value crosses as data; everything else stays here and crosses as a handle."""
    if isinstance(value, _PLAIN):
        return True
    if isinstance(value, BaseException | Record):
        return True
    if isinstance(value, _NEVER_PLAIN):
        return False
    return isinstance(value, enum.Enum) or dataclasses.is_dataclass(value)

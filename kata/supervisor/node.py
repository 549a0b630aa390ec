"""One student process, as the supervisor holds it: its mail, its turns, and the guards in real time."""

from __future__ import annotations

import os
import re
import select
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from kata.exercise import Limits
from kata.report.model import Failure, Place
from kata.supervisor.failures import Inconclusive, ProcessFailed, distinct
from kata.supervisor.helpers import cpu_seconds, helpers_cpu_seconds, memory_bytes
from kata.supervisor.spawner import Spawned, Spawner
from kata.wire import (
    FRAME_BYTES_MAX,
    Answer,
    Asking,
    Call,
    Cancel,
    Deliver,
    Farewell,
    Idle,
    Lines,
    More,
    Refusal,
    Sleeping,
    Stay,
    Turn,
    WireError,
    frame,
)

Mail = Call | Cancel | Answer | Refusal | Farewell | Stay

TURN_FRAMES_MAX = 64
RUN_BYTES_MAX = 64 * 1024 * 1024
"""Of all that the processes of one run say: most of it may stay in what the grader keeps, such as a store."""
TURN_BYTES_MAX = 8 * 1024 * 1024
"""Of all frames of one turn: empty lists take thirty times as much once they are decoded."""
_READ_BYTES = 1 << 16
"""At a time. Memory for more comes from the system and goes back to it, which takes longer than most turns' bytes."""
_DUMP_SECONDS = 0.5
_END_SECONDS = 1.0
_LOOK_AGAIN_SECONDS = 0.1
_SETTLE_SECONDS = 0.1
_BLOCKED_SECONDS = 2.0
_WALL_FACTOR, _STARVED_FACTOR = 6, 30
"""So many times its limit a turn or a check may take by the wall clock: when it dozes, and when it gets no core."""
_IMPATIENT_SHARE = 0.3
_RUN_SPARE_SECONDS = 8.0
STARVED = "the machine was so busy with other work that the submission hardly ever ran"
"""Why a check is inconclusive that had too little of the cores for a verdict on its speed."""
_DUMP_LINE = re.compile(
    rb'^  File "[^"\n]*/submission/([^"\n]{1,200})", line (\d{1,7}) in ([^\n]{1,200})$', re.MULTILINE
)

_encoder = msgspec.msgpack.Encoder()
_turns = msgspec.msgpack.Decoder(Turn)


class Guard:
    """Real limits, for what is stuck. They count CPU time, so that a busy machine makes nobody late.

    A turn is over its limit when it has used `call_seconds` of CPU, or when it is blocked for good: it neither runs nor
    uses any CPU. A check is over its own when its processes together have used `check_seconds`. Wall time is the last
    resort, many times as long, and longest for who would have run if others had left a core. Once something was stuck,
    later turns and checks have less, so that the whole run still ends.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._call_seconds = limits.call_seconds
        self._check_seconds = limits.check_seconds
        self._run_ends_at = time.monotonic() + limits.run_seconds + _RUN_SPARE_SECONDS
        self._spent = 0.0
        self._check_began = self._turn_began = self._moved_at = time.monotonic()
        self._served_before = time.process_time()
        self._looked_at = self._turn_began
        self._turn_cpu = self._seen_cpu = self._looked_cpu = self._blocked = 0.0
        self.heard_bytes = 0
        """What the processes of this run have sent."""

    def begin_check(self) -> None:
        self._spent = 0.0
        self._check_began = time.monotonic()
        self._served_before = time.process_time()
        self._blocked = 0.0

    def begin_run(self) -> None:
        self.heard_bytes = 0

    def hear(self, size: int) -> bool:
        """Take note of so many bytes that a process has sent; whether the run's processes may say that much."""
        self.heard_bytes += size
        return self.heard_bytes <= RUN_BYTES_MAX

    @property
    def spent(self) -> float:
        """CPU seconds of the check's processes that have ended."""
        return self._spent

    @property
    def cost(self) -> float:
        """Real seconds that the check owes to its processes: what they used, made this one use, and slept away."""
        return self._owed(0.0)

    def lose_patience(self) -> None:
        """Something was stuck: the same is likely to be stuck again, in every check."""
        self._call_seconds = self._limits.call_seconds * _IMPATIENT_SHARE
        self._check_seconds = self._limits.check_seconds * _IMPATIENT_SHARE

    def run_is_over(self) -> bool:
        """Whether the host is about to end the whole run."""
        return time.monotonic() > self._run_ends_at

    def begin_turn(self, cpu: float | None) -> None:
        self._turn_began = self._moved_at = self._looked_at = time.monotonic()
        self._turn_cpu = self._seen_cpu = self._looked_cpu = cpu or 0.0

    def spend(self, cpu: float | None) -> None:
        """A process of the check has ended, and had used that much."""
        self._spent += cpu or 0.0

    def is_over(self, cpu: float | None, running: bool) -> bool:
        """Whether the present turn must be ended; asked while waiting for it."""
        now = time.monotonic()
        owed = (cpu or 0.0) - self._turn_cpu + self._blocked
        if _wall_is_over(now - self._turn_began, self._call_seconds, owed) or self.check_is_over():
            return True
        if cpu is None:
            return now - self._turn_began > self._call_seconds
        if running or cpu - self._seen_cpu > 0.001:
            self._moved_at, self._seen_cpu = now, cpu
        if not running:
            # What it used in between does not make a doze less of one.
            self._blocked += max(0.0, now - self._looked_at - (cpu - self._looked_cpu))
        self._looked_at, self._looked_cpu = now, cpu
        used = cpu - self._turn_cpu
        blocked = now - self._moved_at > min(_BLOCKED_SECONDS, self._call_seconds)
        return used > self._call_seconds or blocked or self._spent + cpu > self._check_seconds

    def check_is_over(self, cpu: float = 0.0) -> bool:
        """Whether the whole check has taken too long, whoever is to blame; `cpu` is what living processes have used."""
        if self._spent + cpu > self._check_seconds or self.serving_is_over():
            return True
        return _wall_is_over(time.monotonic() - self._check_began, self._check_seconds, self._owed(cpu))

    def is_starved(self, cpu: float) -> bool:
        """Whether nothing but the wall clock ended the present turn or the check: others had the cores meanwhile.

        `cpu` is what the process and its helpers have used: who keeps the cores from himself is not starved.
        """
        if cpu - self._turn_cpu + self._blocked > self._call_seconds:
            return False
        return time.monotonic() - self._turn_began > self._call_seconds * _STARVED_FACTOR or self.check_is_starved(cpu)

    def check_is_starved(self, cpu: float) -> bool:
        """Whether nothing but the wall clock ended the check. `cpu` as above, of all living processes."""
        wall = time.monotonic() - self._check_began
        return wall > self._check_seconds * _STARVED_FACTOR and self._owed(cpu) <= self._check_seconds

    def _owed(self, cpu: float) -> float:
        return self._spent + cpu + self._served() + self._blocked

    def serving_is_over(self) -> bool:
        """Whether to read and answer what came has cost this process as much CPU time as a check may use itself."""
        # The wall clock first: it costs a tenth, this is asked at every event, and CPU time is never ahead of it.
        return time.monotonic() - self._check_began > self._check_seconds and self._served() > self._check_seconds

    def _served(self) -> float:
        return time.process_time() - self._served_before


def _wall_is_over(wall: float, limit: float, owed: float) -> bool:
    """Whether it took too long by the wall clock; `owed` is what was used or dozed away of that."""
    return wall > limit * (_WALL_FACTOR if owed > limit else _STARVED_FACTOR)


class Node:
    """A student process between two turns: what it waits for, and what waits for it."""

    def __init__(
        self,
        spawner: Spawner,
        spawned: Spawned,
        name: str,
        guard: Guard,
        keep_output: Callable[[bytes], None],
        source_line: Callable[[str, int], str],
    ) -> None:
        self.name = name
        self.mail: list[Mail] = []
        self._state: Idle | Asking | Sleeping = Idle(None)
        self.due_ns: int | None = None
        """When it must have its turn by itself, on the monotonic clock; None when only mail wakes it."""
        self.alive = True
        self.killed = False
        """The grader killed it; that is not its fault."""
        self._stays = False
        self.protections = spawned.protections
        self._spawner = spawner
        self._spawned = spawned
        self._guard = guard
        self._keep_output = keep_output
        self._source_line = source_line
        self._pidfd = _pidfd(spawned.visible_pid)
        self._buffer = bytearray()
        spawned.channel.setblocking(False)
        self._channel = spawned.channel.fileno()
        self._poll = select.poll()
        for descriptor in (self._channel, spawned.output, self._pidfd):
            if descriptor is not None:
                self._poll.register(descriptor, select.POLLIN)

    # ------------------------------------------------------------ turns

    def first_turn(self) -> list[Any]:
        """A process speaks first: what it says having imported the submission. Raises ProcessFailed, as `take_turn`."""
        self._guard.begin_turn(0.0)
        return self._listen()

    def has_turn(self, monotonic_ns: int) -> bool:
        """Whether it can run now: its time has come, or there is mail that it can take."""
        if self.due_ns is not None and self.due_ns <= monotonic_ns:
            return True
        if not self.mail or isinstance(self._state, Sleeping):
            return False
        return isinstance(self._state, Idle) or any(map(self._is_awaited, self.mail))

    def _is_awaited(self, message: Mail) -> bool:
        """Whether that answers what it is blocked for."""
        return isinstance(message, Answer | Refusal) and message.id == self._blocked_for()

    def _blocked_for(self) -> int | None:
        return self._state.id if isinstance(self._state, Asking) else None

    def take_turn(self, monotonic_ns: int, wall_ns: int) -> list[Any]:
        """Deliver what it can take, let it run until it waits, and return what it said.

        Raises ProcessFailed when it is stuck, gone, or breaks the channel's rules.
        """
        mail, self.mail = self.mail, []
        if isinstance(self._state, Asking):
            self.mail = [message for message in mail if not self._is_awaited(message)]
            mail = [message for message in mail if self._is_awaited(message)]
        elif isinstance(self._state, Sleeping):
            self.mail, mail = mail, []
        self._guard.begin_turn(self.cpu_seconds_or_none())
        payload = _encoder.encode(Deliver(monotonic_ns, wall_ns, mail))
        while len(payload) > FRAME_BYTES_MAX and len(mail) > 1:
            half = len(mail) // 2
            mail, self.mail = mail[:half], mail[half:] + self.mail
            payload = _encoder.encode(Deliver(monotonic_ns, wall_ns, mail))
        self._write(frame(payload))
        return self._listen()

    def _listen(self) -> list[Any]:
        said: list[Any] = []
        read = 0
        for _ in range(TURN_FRAMES_MAX):
            payload = self._read_payload()
            read += len(payload)
            if read > TURN_BYTES_MAX:
                raise self.broken(f"one turn of more than {TURN_BYTES_MAX:,} bytes")
            if not self._guard.hear(len(payload)):
                raise self.broken(f"more than the {RUN_BYTES_MAX:,} bytes that may come in one run of a check")
            turn = self._decode(payload)
            said.extend(turn.messages)
            if not isinstance(turn.state, More):
                self._wait_for(turn.state)
                return said
        raise self.broken(f"one turn of more than {TURN_FRAMES_MAX} messages")

    def _wait_for(self, state: Idle | Asking | Sleeping) -> None:
        self._state = state
        match state:
            case Idle(moment_ns) | Sleeping(moment_ns):
                self.due_ns = moment_ns
            case _:
                self.due_ns = None

    def farewell(self, statements: bool, monotonic_ns: int, wall_ns: int) -> list[Lines]:
        """Ask a process that is about to be killed which lines it ran; nothing when it waits for something.

        Raises ProcessFailed, as `take_turn`.
        """
        if not self.alive or not isinstance(self._state, Idle):
            return []
        self.mail = [Farewell(statements)]
        return [message for message in self.take_turn(monotonic_ns, wall_ns) if isinstance(message, Lines)]

    def stay(self) -> None:
        """Have it run on one core from its next turn on, where the system can do that."""
        if self._spawner.core is not None and not self._stays:
            self._stays = True
            self.mail.append(Stay(self._spawner.core))

    def destroy(self) -> None:
        """Kill it and all that it started. Idempotent."""
        if not self.alive:
            return
        self._end()
        self._spawner.destroy(self._spawned)

    def _end(self) -> None:
        self.alive = False
        self._guard.spend(self.cpu_seconds_or_none())
        self._drain()
        if self._pidfd is not None:
            os.close(self._pidfd)

    def cpu_seconds(self) -> float:
        """CPU time that the process and all that it has started have used so far, read from outside.

        A process that has said the last of its turn may still be on a core for a moment, and the kernel may book what
        it used there only when it leaves it.
        """
        until = time.monotonic() + _SETTLE_SECONDS
        while self._is_running() and time.monotonic() < until:
            time.sleep(_SETTLE_SECONDS / 1_000)  # nothing tells when a process leaves its core
        seconds = self.all_cpu_seconds_or_none()
        if seconds is None:
            raise Inconclusive("this system does not tell the CPU time of another process")
        return seconds

    def all_cpu_seconds_or_none(self) -> float | None:
        """Of the process and all that it has started; None where the system does not tell."""
        own = self.cpu_seconds_or_none()
        return None if own is None else own + helpers_cpu_seconds(self._spawned.visible_pid, self._spawned.uid)

    def cpu_seconds_or_none(self) -> float | None:
        """Of the process alone; None where the system does not tell."""
        return cpu_seconds(self._spawned.visible_pid)

    def memory_bytes(self) -> int:
        """Memory that the process and all that it has started hold, in RAM or swapped out, read from outside."""
        held = memory_bytes(self._spawned.visible_pid, self._spawned.uid) if self.alive else None
        if held is None:
            raise Inconclusive("the process has ended, or this system does not tell the memory of another one")
        return held

    # ------------------------------------------------------------ the channel

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[self._spawned.channel.send(view) :]
            except BlockingIOError:
                self._check()
                select.select([], [self._channel], [], 0.05)
                self._drain()
            except OSError:
                raise self._gone() from None

    def _read_payload(self) -> bytes:
        size = int.from_bytes(self._read(4), "big")
        if size > FRAME_BYTES_MAX:
            raise self.broken(f"a message of {size:,} bytes; at most {FRAME_BYTES_MAX:,} may cross")
        return self._read(size)

    def _decode(self, payload: bytes) -> Turn:
        try:
            return _turns.decode(payload)
        except (msgspec.MsgspecError, WireError, RecursionError, UnicodeDecodeError) as error:
            raise self.broken(f"a malformed message ({type(error).__name__})") from None

    def _read(self, size: int) -> bytes:
        if len(self._buffer) < size:
            self._wait()
        while len(self._buffer) < size:
            # What comes by drops must not pass for being at work for ever.
            self._check()
            self._wait()
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def _wait(self) -> None:
        """Until something has come on the channel; output is read meanwhile, so that printing never blocks."""
        descriptors = [descriptor for descriptor, _ in self._poll.poll(_LOOK_AGAIN_SECONDS * 1000)]
        if self._channel in descriptors:
            try:
                data = self._spawned.channel.recv(_READ_BYTES)
            except BlockingIOError:
                data = None
            except OSError:
                data = b""
            if data:
                self._buffer += data
                return
            if data == b"":
                raise self._gone()
        if self._spawned.output in descriptors and not self._drain():
            self._poll.unregister(self._spawned.output)
        if self._pidfd is not None and self._pidfd in descriptors:
            raise self._gone()
        self._check()

    def _check(self) -> None:
        if self._guard.run_is_over():
            self.destroy()
            raise Inconclusive("the run's time was up")
        if self._guard.is_over(self.cpu_seconds_or_none(), self._is_running()):
            used = self.all_cpu_seconds_or_none()
            if used is not None and self._guard.is_starved(used):
                self.destroy()
                raise Inconclusive(STARVED)
            raise self._stuck()

    def _is_running(self) -> bool:
        """Whether the system would run a thread of it if it had a core to spare; True where it does not tell."""
        try:
            stats = [file.read_bytes() for file in Path(f"/proc/{self._spawned.visible_pid}/task").glob("*/stat")]
        except OSError:
            return True  # one of them is just ending
        return not stats or any(stat.rpartition(b")")[2].split()[:1] == [b"R"] for stat in stats)

    def _drain(self) -> bool:
        """Keep what was printed; False at the end of the stream."""
        for _ in range(16):
            try:
                data = os.read(self._spawned.output, 1 << 16)
            except BlockingIOError:
                return True
            if not data:
                return False
            self._keep_output(data)
        return True

    # ------------------------------------------------------------ how it can fail

    def _stuck(self) -> ProcessFailed:
        """It used more real time than its limit: find out where, then kill it."""
        places = self._stack_dump()
        self.destroy()
        at = f" on line {places[-1].line} of {places[-1].file}" if places else ""
        return ProcessFailed(
            Failure(
                kind="time-out",
                message=f"The submission kept running without an answer and was stopped{at}.",
                places=places,
                advice="Look for a loop that never ends, or for work that grows much faster than its input.",
            )
        )

    def _gone(self) -> ProcessFailed:
        # Asked before it is killed, for then every process has ended.
        ended = self._pidfd is None or bool(select.select([self._pidfd], [], [], _END_SECONDS)[0])
        self._end()
        status = self._spawner.destroy_and_wait(self._spawned)
        how, advice = _ending(status if ended else None)
        return ProcessFailed(
            Failure(kind="exit", message=f"The submission's process ended by itself: {how}.", advice=advice)
        )

    def broken(self, what: str) -> ProcessFailed:
        """It broke the channel's rules: the failure to raise. The process is killed."""
        self.destroy()
        return ProcessFailed(
            Failure(
                kind="protocol",
                message=f"The submission's process sent {what}.",
                advice="Answers are plain data of reasonable size; only the interface's methods are needed.",
            )
        )

    def _stack_dump(self) -> tuple[Place, ...]:
        """Where the main thread is, innermost last; the student's own frames only."""
        try:
            os.kill(self._spawned.visible_pid, signal.SIGUSR2)
        except OSError:
            return ()
        text = b""
        until = time.monotonic() + _DUMP_SECONDS
        while time.monotonic() < until and len(text) < 65_536:
            if not select.select([self._spawned.dumps], [], [], 0.05)[0]:
                if text:
                    break
                continue
            part = os.read(self._spawned.dumps, 65_536)
            if not part:
                break
            text += part
        places = []
        for file, line, function in _DUMP_LINE.findall(text)[:20]:
            name = file.decode("utf-8", "replace")
            places.append(
                Place(
                    file=name,
                    line=int(line),
                    function=function.decode("utf-8", "replace"),
                    source=self._source_line(name, int(line)),
                )
            )
        return distinct(reversed(places))


def _pidfd(pid: int) -> int | None:
    """A descriptor that becomes readable when the process ends; None where the system has none (macOS)."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None


def _ending(status: int | None) -> tuple[str, str]:
    """How a process ended, and what to do about it."""
    if status is None:
        return "it closed its channel", "Don't close descriptors that you did not open."
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        name = signal.Signals(number).name if number in signal.Signals._value2member_map_ else str(number)
        advice = {
            "SIGKILL": "It went over a limit (memory, most likely) or killed itself.",
            "SIGXCPU": "It used up its CPU time: look for a loop that never ends.",
            "SIGSEGV": "It crashed the interpreter: very deep recursion or a huge structure does that.",
        }.get(name, "Nothing in this exercise needs signals.")
        return f"killed by {name}", advice
    return (
        f"exit status {os.WEXITSTATUS(status)}",
        "Take out calls that end the process (`exit`, `os._exit`), and look for an error in the event loop.",
    )

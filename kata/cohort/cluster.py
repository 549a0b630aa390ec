"""Grades on many machines: jobs go through a scheduler of Dask's `distributed` to its workers.

A worker takes part when it has this version of kata and the resource `sandbox`, which bounds what runs on it at once.
Nothing is shared: exercise, grader and submission travel with each job (`kata.cohort.worker` is the other side). What
a worker refuses goes to another one; what it was grading when it was lost, Dask gives to another one by itself.
"""

from __future__ import annotations

import logging
import pkgutil
import queue
import re
import threading
import time
import warnings
from collections.abc import Callable, Mapping, Set
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from kata import __version__
from kata.cohort.worker import Answer, Order, Parcel, pack
from kata.errors import KataError, SandboxFailure, UsageError
from kata.exercise import Exercise
from kata.grade import grade
from kata.protocol import SandboxName
from kata.report.model import Report, SandboxInfo
from kata.submission import Submission

if TYPE_CHECKING:
    import distributed

RESOURCE = "sandbox"
"""Of a worker: how many sandboxes may run on it at once."""

CONNECT_SECONDS = 20.0
"""Until a scheduler must have answered, and have a worker that can grade."""
ALONE_SECONDS = 30.0
"""How long a run waits for a worker when all that it had are lost, or refuse."""
LOOK_SECONDS = 1.0
"""Between two looks at who is there."""
FETCH_SECONDS = 30.0
"""Until a result must have come over; a guard against a machine that is stuck."""

_SERVE = "__import__('kata.cohort.worker', fromlist=['serve']).serve(order)"
"""A job as text for `eval`. A scheduler unpickles what it passes on: a function of ours would have to exist there, too,
and one that travels whole would need the same Python everywhere."""
_VERSION = "kata.cohort.worker:__version__"

_GO_ON = "All marks are kept: `kata grade --resume` goes on with the run."


class Crew:
    """The workers of a cluster: who is there, and who has refused. `notice` hears of each refusal once."""

    def __init__(self, client: distributed.Client, notice: Callable[[str], None]) -> None:
        self._client = client
        self._notice = notice
        self._admitted: set[str] = set()
        self._refusals: dict[str, str] = {}
        self._places: dict[str, int] = {}
        self.here: Set[str] = frozenset()
        """All workers, those included that can't grade."""

    def places(self) -> dict[str, int]:
        """The workers that can grade, as of the last look, each with how many jobs it takes at once."""
        return self._places

    def look(self) -> None:
        """See who is there, and ask who is new for their version. Raises KataError when the scheduler is gone."""
        try:
            workers = self._client.scheduler_info(n_workers=-1)["workers"]
        except (OSError, RuntimeError, KeyError) as error:  # of a scheduler that is gone it knows no workers
            raise _gone() from error
        places = {address: _places_of(worker) for address, worker in workers.items()}
        offers = {address: number for address, number in places.items() if number}
        self._admit([address for address in offers if address not in self._admitted | self._refusals.keys()])
        # Whoever comes back at the same address is somebody new.
        self._admitted &= offers.keys()
        self._refusals = {address: why for address, why in self._refusals.items() if address in offers}
        self.here = workers.keys()
        self._places = {address: number for address, number in offers.items() if address in self._admitted}

    def refuse(self, address: str, why: str) -> None:
        """Give that worker no jobs any more; `why` is a sentence."""
        self._admitted.discard(address)
        self._places = {worker: number for worker, number in self._places.items() if worker != address}
        if address not in self._refusals:
            self._refusals[address] = why
            self._notice(f"The worker {address} grades nothing of this run. {why}")

    def refusals(self) -> str:
        """Why those that are there don't grade: a sentence for each reason."""
        return " ".join(sorted(set(self._refusals.values())))

    def _admit(self, new: list[str]) -> None:
        if not new:
            return
        told = self._client.run(pkgutil.resolve_name, _VERSION, workers=new, on_error="return")
        for address, version in told.items():
            if version == __version__:
                self._admitted.add(address)
            elif isinstance(version, str):
                self.refuse(address, f"It has kata {version}, and this is {__version__}.")
            elif not isinstance(version, OSError):  # that one has just gone
                self.refuse(address, f"It has no kata, or one that knows no clusters ({version}).")


def _places_of(worker: Mapping[str, Any]) -> int:
    """How many jobs run at once on a worker, as the scheduler describes it."""
    return min(int(worker["resources"].get(RESOURCE, 0)), int(worker["nthreads"]))


def _gone() -> KataError:
    return KataError("The cluster's scheduler does not answer any more.", _GO_ON)


@dataclass(eq=False)
class _Job:
    exercise: Exercise
    submission: Submission
    seed: int
    future: Future[Report] = field(default_factory=Future)
    remote: distributed.Future[bytes] | None = None
    """None while there is no worker for it."""
    workers: frozenset[str] = frozenset()
    """To whom it may go."""


class Cluster:
    """Grades as many submissions at a time as the workers have sandboxes, or `jobs` at most.

    One thread of its own does all: it takes jobs in, hands them out, takes results, and looks who is there.
    """

    def __init__(
        self,
        client: distributed.Client,
        crew: Crew,
        sandbox: SandboxName,
        jobs: int | None = None,
        embedded: distributed.LocalCluster | None = None,
    ) -> None:
        self.sandbox = sandbox
        self.for_grades = sandbox != "process"
        self._client = client
        self._crew = crew
        self._places_max = jobs
        self._embedded = embedded
        self._parcels: dict[str, Parcel] = {}
        self._inbox: queue.SimpleQueue[tuple[_Job, distributed.Future[bytes] | None] | None] = queue.SimpleQueue()
        self._jobs: set[_Job] = set()
        self._problem: Exception | None = None
        self._next_look = time.monotonic()
        self._alone_since: float | None = None
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def places(self) -> int:
        """How many submissions it grades at a time."""
        places = sum(self._crew.places().values())
        return places if self._places_max is None else min(places, self._places_max)

    def submit(self, exercise: Exercise, submission: Submission, seed: int, person: str) -> Future[Report]:
        """Grade it as soon as a worker is free; what is lost with its worker again and again is inconclusive.

        The future raises KataError when no worker is left that could grade, or the scheduler is gone.
        """
        job = _Job(exercise, submission, seed)
        self._inbox.put((job, None))
        if self._problem is not None:
            self._give_up(job, self._problem)
        return job.future

    def close(self, *, wait: bool) -> None:
        """Leave the cluster. Without `wait` what runs is given up, and what came of it is lost."""
        self._inbox.put(None)
        if wait:
            self._thread.join()
        disconnect(self._client, self._embedded)

    # ------------------------------------------------------------ the thread

    def _work(self) -> None:
        try:
            while self._turn():
                pass
        except Exception as error:
            # Whatever it is: nobody may wait for ever.
            self._problem = error if self._client.status == "running" else _gone()
            for job in self._jobs:
                self._give_up(job, self._problem)
            while not self._inbox.empty():
                if event := self._inbox.get():
                    self._give_up(event[0], self._problem)

    def _turn(self) -> bool:
        """Do what comes next; whether to go on."""
        if time.monotonic() >= self._next_look:
            self._look()
            self._next_look = time.monotonic() + LOOK_SECONDS
        try:
            event = self._inbox.get(timeout=max(0.0, self._next_look - time.monotonic()))
        except queue.Empty:
            return True
        if event is None:
            return False
        job, remote = event
        if remote is None:
            self._jobs.add(job)
            self._begin(job)
        elif remote is job.remote:
            self._ended(job, remote)
        return True

    def _look(self) -> None:
        self._crew.look()
        now = time.monotonic()
        self._alone_since = None if self._crew.places() else self._alone_since or now
        if self._alone_since and now - self._alone_since > ALONE_SECONDS:
            raise KataError(f"No worker is left that grades this run. {self._crew.refusals()}".strip(), _GO_ON)
        for job in [*self._jobs]:
            if job.remote is None:
                self._begin(job)
            elif not job.workers & self._crew.here:
                # Dask would wait until one of just these is back.
                given, job.remote = job.remote, None
                given.cancel()
                self._lost(job)

    def _begin(self, job: _Job) -> None:
        """Hand it to the workers that there are; when there is none, `_look` will do it later."""
        job.workers = frozenset(self._crew.places())
        job.remote = None
        if not job.workers:
            return
        job.remote = self._client.submit(
            eval,
            _SERVE,
            {"order": self._order(job)},
            pure=False,
            workers=[*job.workers],
            resources={RESOURCE: 1},
        )
        job.remote.add_done_callback(lambda remote: self._inbox.put((job, remote)))

    def _order(self, job: _Job) -> bytes:
        parcel = self._parcels.get(job.exercise.id)
        if parcel is None:
            parcel = self._parcels[job.exercise.id] = pack(job.exercise)
        order = Order(
            parcel=parcel,
            name=job.submission.name,
            submission=job.submission.files,
            seed=job.seed,
            sandbox=self.sandbox,
        )
        return msgspec.msgpack.encode(order)

    def _ended(self, job: _Job, remote: distributed.Future[bytes]) -> None:
        from distributed import KilledWorker

        if remote.status == "finished":
            self._answered(job, remote)
            return
        error = remote.exception(FETCH_SECONDS) if remote.status == "error" else None
        if error is None or isinstance(error, KilledWorker):
            self._crew.look()  # when it is the scheduler that is lost, this says so
            self._lost(job)
        else:
            self._jobs.remove(job)
            job.future.set_exception(error)

    def _answered(self, job: _Job, remote: distributed.Future[bytes]) -> None:
        holders = self._client.who_has([remote]).values()
        try:
            answer = msgspec.msgpack.decode(remote.result(FETCH_SECONDS), type=Answer)
        except TimeoutError:  # the worker has taken it along
            self._begin(job)
            return
        if answer.report is not None:
            self._jobs.remove(job)
            job.future.set_result(answer.report)
            return
        for address in (address for addresses in holders for address in addresses):
            self._crew.refuse(address, answer.refusal)
        self._begin(job)

    def _lost(self, job: _Job) -> None:
        """Its workers died over it: an inconclusive run, as when a sandbox breaks, that may be tried again."""
        self._jobs.remove(job)
        job.future.set_result(grade(job.exercise, job.submission, _Lost(self.sandbox), seed=job.seed))

    def _give_up(self, job: _Job, error: Exception) -> None:
        if not job.future.done():
            job.future.set_exception(error)


class _Lost:
    """A sandbox that went with its worker, as launcher, connection and ending in one."""

    is_lasting = False
    status = None
    out_of_memory = False
    errors = ""

    def __init__(self, name: SandboxName) -> None:
        self.name: str = name
        self._info = SandboxInfo(name=name, for_grades=False)

    def info(self) -> SandboxInfo:
        return self._info

    def start(self, lanes: int = 1) -> _Lost:
        return self

    def write(self, data: bytes) -> None:
        self.read(0, 0.0)

    def read(self, size: int, timeout_seconds: float) -> NoReturn:
        raise SandboxFailure("The worker that graded this was lost, and so were those that took it up.")

    def close(self) -> _Lost:
        return self


# ---------------------------------------------------------------- connecting


def connect(where: str, sandbox: SandboxName, jobs: int | None, notice: Callable[[str], None]) -> Cluster:
    """The cluster at an address (`tcp://host:port`), or one of N processes on this machine (`local:N`).

    `jobs` bounds what runs at once. `notice` hears of workers that refuse. Raises UsageError when `distributed` is not
    installed, nothing answers there, or no worker is there that could grade.
    """
    try:
        import distributed
    except ImportError:
        raise UsageError(
            "--cluster needs the package `distributed`, which is not installed.",
            "Install it: pip install 'system-design-kata[cluster]'.",
        ) from None
    _hush()
    local = re.fullmatch(r"local:([1-9]\d{0,2})", where)
    if not local and "://" not in where:
        raise UsageError(
            f"{where!r} is no cluster.", "Name its scheduler, as in tcp://scheduler.example:8786, or `local:4`."
        )
    embedded = _embedded(int(local[1])) if local else None
    try:
        client = distributed.Client(embedded or where, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"No scheduler answers at {where}: {error}.", "`dask scheduler` starts one; docs/clusters.md tells more."
        ) from error
    try:
        return Cluster(client, _crew(client, where, notice), sandbox, jobs, embedded)
    except BaseException:
        disconnect(client, embedded)
        raise


def disconnect(client: distributed.Client, embedded: distributed.LocalCluster | None) -> None:
    """Leave a cluster, and end it when it is an embedded one."""
    client.close(timeout=1)
    if embedded is not None:
        embedded.close(timeout=5)


def _crew(client: distributed.Client, where: str, notice: Callable[[str], None]) -> Crew:
    """The workers, once one of them can grade."""
    crew = Crew(client, notice)
    until = time.monotonic() + CONNECT_SECONDS
    crew.look()
    while not crew.places() and time.monotonic() < until:
        time.sleep(0.1)
        crew.look()
    if crew.places():
        return crew
    if refusals := crew.refusals():
        raise UsageError(f"No worker at {where} grades this run. {refusals}", "Mend one of them.")
    if crew.here:
        raise UsageError(
            f"No worker at {where} has the resource `{RESOURCE}`.",
            f"Start workers with it: dask worker ADDRESS --resources {RESOURCE}=1.",
        )
    raise UsageError(
        f"The scheduler at {where} has no workers.", f"Start some: dask worker ADDRESS --resources {RESOURCE}=1."
    )


def _embedded(workers: int) -> distributed.LocalCluster:
    from distributed import LocalCluster

    return LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        resources={RESOURCE: 1},
        preload=["kata.cohort.worker"],
        dashboard_address="127.0.0.1:0",  # it can't be left out; at least its port is nobody else's
        silence_logs=logging.CRITICAL,
    )


def _hush() -> None:
    """Keep Dask's log and warnings off the terminal: what an instructor should know of a cluster, kata says."""
    from distributed.versions import VersionMismatchWarning

    for name in ("distributed", "distributed.client", "tornado", "tornado.application", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    warnings.filterwarnings("ignore", category=VersionMismatchWarning)

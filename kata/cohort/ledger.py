"""The ledger: one SQLite file in the run's folder, in which everything is durable before it counts.

What was handed in lies in it too, so that a run can go on where the submissions are gone. A job's identity is the
digest of submission, exercise, grader and seed: grading twice is grading once, and equal submissions are one job. An
attempt is written down when it begins and again when it ends; one that never ended was lost with its coordinator.
"""

from __future__ import annotations

import fcntl
import hashlib
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from kata import __version__
from kata.cohort.model import Cohort, ExerciseColumn, Handed, Intake, Mark, MarkState, Person, Trouble
from kata.errors import KataError, UsageError
from kata.exercise import Exercise
from kata.report.model import Report
from kata.submission import Submission
from kata.workspace import now

FILE = "ledger.sqlite"
FORMAT = "1"

_SCHEMA = """
create table meta (key text primary key, value text not null) strict;
create table exercises (id text primary key, place integer not null, title text not null, digest text not null,
    grader_digest text not null, points integer not null) strict;
create table people (id text primary key, place integer not null, name text not null, roster blob not null) strict;
create table troubles (place integer primary key, told blob not null) strict;
create table sources (digest text primary key, files blob not null) strict;
create table jobs (id text primary key, exercise text not null references exercises, source text not null
    references sources) strict;
create table handed (person text not null references people, exercise text not null references exercises,
    found_at text not null, late integer not null, turn integer not null, problem text not null,
    job text references jobs, primary key (person, exercise, found_at)) strict;
create table attempts (job text not null references jobs, number integer not null, begun_at text not null,
    ended_at text, outcome text, score integer, outcomes blob, note text, seconds real, report blob,
    primary key (job, number)) strict;
create index handed_jobs on handed (job);
"""


@dataclass(frozen=True)
class Job:
    """One submission to be graded once."""

    id: str
    exercise: str
    source: str


class Ledger:
    """Reads and writes a run's ledger. For one thread; only one process may have it open to write."""

    def __init__(self, folder: Path, connection: sqlite3.Connection) -> None:
        self.folder = folder
        self._sql = connection

    # ------------------------------------------------------------ settings

    def setting(self, key: str) -> str:
        """A setting of the run, as `begin` wrote it; "" when it has none of that name."""
        row = self._sql.execute("select value from meta where key = ?", (key,)).fetchone()
        return row[0] if row else ""

    def begin(self, exercises: Sequence[Exercise], *, seed: int, sandbox: str) -> None:
        """Write down what this run grades, and how; unless that was done before, then it must be the same.

        Raises UsageError when exercises, graders or seed are others than those that the run began with.
        """
        if not self.setting("format"):
            settings = {"format": FORMAT, "kata": __version__, "seed": str(seed), "sandbox": sandbox, "begun": now()}
            with self._writing():
                self._sql.executemany("insert into meta values (?, ?)", settings.items())
        known = {column.id: column for column in self.exercises()}
        for exercise in exercises:
            column = known.get(exercise.id)
            if column and (column.digest, column.grader_digest) != (exercise.digest(), exercise.grader_digest()):
                raise UsageError(
                    f"{exercise.id} or its grader has changed since this run began.",
                    "Name another folder with --out, so that all are graded alike.",
                )
        new = [
            (e.id, e.title, e.digest(), e.grader_digest(), sum(r.points for r in e.requirements))
            for e in exercises
            if e.id not in known
        ]
        with self._writing():
            self._sql.executemany("insert into exercises select ?, (select count(*) from exercises), ?, ?, ?, ?", new)

    def exercises(self) -> tuple[ExerciseColumn, ...]:
        """What the run grades, in the order of their numbers."""
        rows = self._sql.execute("select id, title, digest, grader_digest, points from exercises order by id")
        names = ("id", "title", "digest", "grader_digest", "points")
        return tuple(ExerciseColumn(**dict(zip(names, row, strict=True))) for row in rows)

    # ------------------------------------------------------------ what comes in

    def take(self, intake: Intake, roster_columns: Sequence[str] = ()) -> None:
        """Write down what people handed in, in place of what was written down before. Results stay."""
        columns = {column.id: column for column in self.exercises()}
        with self._writing():
            for table in ("handed", "troubles", "people"):
                self._sql.execute(f"delete from {table}")  # noqa: S608 - one of three names
            self._sql.execute("insert or replace into meta values ('roster', ?)", (_json(tuple(roster_columns)),))
            self._sql.executemany(
                "insert into people values (?, ?, ?, ?)",
                ((p.id, place, p.name, _pack(p.roster)) for place, p in enumerate(intake.people)),
            )
            self._sql.executemany(
                "insert into troubles values (?, ?)", ((n, _pack(each)) for n, each in enumerate(intake.troubles))
            )
            for each in intake.handed:
                job = None if each.problem else self._job(each, columns[each.exercise])
                self._sql.execute(
                    "insert into handed values (?, ?, ?, ?, ?, ?, ?)",
                    (each.person, each.exercise, each.where, each.late, each.turn, each.problem, job),
                )

    def _job(self, handed: Handed, exercise: ExerciseColumn) -> str:
        source = Submission("", handed.files).digest
        parts = (source, exercise.id, exercise.digest, exercise.grader_digest, self.setting("seed"))
        job = hashlib.sha256("\0".join(parts).encode()).hexdigest()
        self._sql.execute("insert or ignore into sources values (?, ?)", (source, _pack(handed.files)))
        self._sql.execute("insert or ignore into jobs values (?, ?, ?)", (job, exercise.id, source))
        return job

    def troubles(self) -> list[Trouble]:
        """What the instructor should look at."""
        rows = self._sql.execute("select told from troubles order by place")
        return [_unpack(told, Trouble) for (told,) in rows]

    # ------------------------------------------------------------ grading

    def waiting(self) -> list[Job]:
        """The jobs that somebody's mark depends on and that no attempt has judged, in a fixed order."""
        rows = self._sql.execute(
            "select id, exercise, source from jobs"
            " where id in (select job from handed) and not exists (select 1 from attempts"
            " where job = jobs.id and outcome in ('met', 'unmet')) order by id"
        )
        return [Job(*row) for row in rows]

    def submission(self, job: Job) -> Submission:
        """What the job grades; its name tells nothing of who handed it in."""
        (files,) = self._sql.execute("select files from sources where digest = ?", (job.source,)).fetchone()
        return Submission(job.exercise, _unpack(files, dict[str, bytes]))

    def began(self, job: Job) -> int:
        """Write down that an attempt begins; its number."""
        with self._writing():
            (number,) = self._sql.execute("select count(*) + 1 from attempts where job = ?", (job.id,)).fetchone()
            self._sql.execute("insert into attempts (job, number, begun_at) values (?, ?, ?)", (job.id, number, now()))
        return int(number)

    def ended(self, job: Job, number: int, report: Report) -> None:
        """Write down how an attempt ended; it is on the disk when this returns."""
        outcome = report.outcome if report.outcome in ("met", "inconclusive") else "unmet"
        outcomes = {requirement.id: requirement.outcome for requirement in report.requirements}
        with self._writing():
            self._sql.execute(
                "update attempts set ended_at = ?, outcome = ?, score = ?, outcomes = ?, note = ?, seconds = ?,"
                " report = ? where job = ? and number = ?",
                (now(), outcome, report.score, _pack(outcomes), report.problem.message if report.problem else "",
                 report.phases.total_seconds, _pack(report), job.id, number),
            )  # fmt: skip

    def lost(self) -> int:
        """Mark the attempts that never ended, by whatever death, as lost; how many there were."""
        with self._writing():
            return self._sql.execute(
                "update attempts set outcome = 'lost', ended_at = ? where outcome is null", (now(),)
            ).rowcount

    def seconds(self) -> dict[str, float]:
        """How long attempts have taken on average, by exercise."""
        return dict(
            self._sql.execute(
                "select exercise, avg(seconds) from attempts join jobs on jobs.id = job"
                " where seconds is not null group by exercise"
            )
        )

    # ------------------------------------------------------------ what comes out

    def cohort(self) -> Cohort:
        """Where everybody stands."""
        people = tuple(
            Person(id=id_, name=name, roster=_unpack(roster, dict[str, str]))
            for id_, name, roster in self._sql.execute("select id, name, roster from people order by place")
        )
        exercises = self.exercises()
        handed = self._handed()
        marks = (
            _mark(person.id, exercise.id, handed.get((person.id, exercise.id), []))
            for person in people
            for exercise in exercises
        )
        return Cohort(
            exercises=exercises,
            people=people,
            marks=tuple(marks),
            roster_columns=msgspec.json.decode(self.setting("roster") or "[]", type=tuple[str, ...]),
            sandbox=self.setting("sandbox"),
            seed=int(self.setting("seed")),
        )

    def _handed(self) -> dict[tuple[str, str], list[dict[str, Any]]]:
        """For each person and exercise what counts: of the highest turn, each with its best attempt."""
        rows = self._sql.execute(
            "select h.person, h.exercise, h.late, h.turn, h.problem, h.job, a.outcome, a.score, a.outcomes, a.note"
            " from handed h left join attempts a on a.job = h.job and a.number = (select number from attempts"
            " where job = h.job and outcome is not 'lost' order by outcome in ('met', 'unmet') desc, number desc"
            " limit 1) order by h.person, h.exercise, h.turn desc, h.found_at"
        )
        names = ("person", "exercise", "late", "turn", "problem", "job", "outcome", "score", "outcomes", "note")
        found: dict[tuple[str, str], list[dict[str, Any]]] = {}
        sharing: dict[str, list[str]] = {}
        for row in rows:
            each = dict(zip(names, row, strict=True))
            counting = found.setdefault((each["person"], each["exercise"]), [])
            if each["job"]:
                sharing.setdefault(each["job"], []).append(each["person"])
            if not counting or counting[0]["turn"] == each["turn"]:
                counting.append(each)
        for counting in found.values():
            for each in counting:
                each["same_as"] = tuple(p for p in sorted(set(sharing.get(each["job"], ()))) if p != each["person"])
        return found

    def report_of(self, person: str, exercise: str) -> Report | None:
        """The report that a person's mark comes from; None when there is none."""
        row = self._sql.execute(
            "select report from attempts a join handed h on h.job = a.job where person = ? and exercise = ?"
            " and turn = (select max(turn) from handed where person = h.person and exercise = h.exercise)"
            " and report is not null order by outcome in ('met', 'unmet') desc, score desc, number desc limit 1",
            (person, exercise),
        ).fetchone()
        return _unpack(row[0], Report) if row else None

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            with self._sql:
                yield
        except sqlite3.Error as error:
            raise KataError(
                f"The ledger in {self.folder} can't be written: {error}.",
                f"Make room, or the folder writable, and go on with `kata grade --resume {self.folder}`.",
            ) from error


def _mark(person: str, exercise: str, counting: list[dict[str, Any]]) -> Mark:
    if not counting:
        return Mark(person=person, exercise=exercise, state="missing")
    best = max(counting, key=lambda each: (_STATES.index(_state(each)), each["score"] or 0))
    state = _state(best)
    graded = state == "graded"
    return Mark(
        person=person,
        exercise=exercise,
        state=state,
        score=best["score"] if graded else None,
        outcomes=_unpack(best["outcomes"], dict[str, str]) if graded else {},
        late=bool(best["late"]),
        note=best["problem"] or best["note"] or "",
        same_as=best["same_as"],
    )


_STATES: tuple[MarkState, ...] = ("missing", "unreadable", "waiting", "inconclusive", "graded")


def _state(handed: dict[str, Any]) -> MarkState:
    if handed["problem"]:
        return "unreadable"
    if handed["outcome"] is None:
        return "waiting"
    return "inconclusive" if handed["outcome"] == "inconclusive" else "graded"


@contextmanager
def open_ledger(folder: Path, *, new: bool) -> Iterator[Ledger]:
    """The ledger of a run. `new` makes folder and ledger where there is none.

    Raises UsageError when there is none, it isn't one, or another process is writing it.
    """
    file = folder / FILE
    if not new and not file.exists():
        raise UsageError(f"{folder} holds no run.", "`kata grade SUBMISSIONS --out RUN` begins one.")
    # What goes wrong later, while the ledger is in use, is no fault of its opening.
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = stack.enter_context((folder / "lock").open("ab"))
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            connection = stack.enter_context(closing(_connect(file)))
        except BlockingIOError:
            raise UsageError(f"Another kata is grading into {folder}.", "Wait for it, or stop it.") from None
        except sqlite3.DatabaseError as error:
            raise UsageError(f"{file} can't be used as a ledger: {error}.", "Name another with --out.") from error
        except OSError as error:
            raise UsageError(
                f"{folder} can't be used for a run: {error.strerror}.", "Name another with --out."
            ) from error
        yield Ledger(folder, connection)


def _connect(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, timeout=30)
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = full")
    connection.execute("pragma foreign_keys = off")  # what is handed in is replaced whole, people and all
    with connection:
        connection.execute("begin immediate")
        if not connection.execute("select 1 from sqlite_master where name = 'meta'").fetchone():
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)
    found = connection.execute("select value from meta where key = 'format'").fetchone()
    if found and found[0] != FORMAT:
        raise UsageError(f"{file} was written by another version of kata (format {found[0]}).", "Use that version.")
    return connection


def _pack(value: object) -> bytes:
    return zlib.compress(msgspec.msgpack.encode(value), 6)


def _unpack(data: bytes, type_: Any) -> Any:
    return msgspec.msgpack.decode(zlib.decompress(data), type=type_)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()

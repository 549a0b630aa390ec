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
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from kata import __version__
from kata.cohort.model import ExerciseColumn, Handed, Intake, Person, Trouble
from kata.errors import KataError, UsageError
from kata.exercise import Exercise, Requirement
from kata.report.model import Report
from kata.submission import Submission
from kata.workspace import now

FILE = "ledger.sqlite"
FORMAT = "1"
_MESSAGE_CHARS = 300
"""What is kept apart of a failure's message; the report has all of it."""

_SCHEMA = """
create table meta (key text primary key, value text not null) strict;
create table exercises (id text primary key, title text not null, digest text not null, grader_digest text not null,
    requirements blob not null) strict;
create table people (id text primary key, place integer not null, name text not null, roster blob not null) strict;
create table troubles (place integer primary key, told blob not null) strict;
create table sources (digest text primary key, files blob not null) strict;
create table jobs (id text primary key, exercise text not null references exercises, source text not null
    references sources) strict;
create table handed (person text not null references people, exercise text not null references exercises,
    found_at text not null, late integer not null, turn integer not null, problem text not null,
    job text references jobs, primary key (person, exercise, found_at)) strict;
create table attempts (job text not null references jobs, number integer not null, begun_at text not null,
    ended_at text, outcome text, score integer, outcomes blob, note text, seconds real,
    primary key (job, number)) strict;
create table reports (job text not null, number integer not null, report blob not null, primary key (job, number),
    foreign key (job, number) references attempts) strict;
create table losses (job text not null references jobs, requirement text not null, check_text text not null,
    message text not null, primary key (job, requirement)) strict;
create table written (person text not null, exercise text not null, job text not null, number integer not null,
    primary key (person, exercise)) strict;
create index handed_jobs on handed (job);
create view counting as select job, number, outcome, score, outcomes, note,
    max((coalesce(outcome, '') in ('met', 'unmet')) * 1000000000 + number) from attempts where outcome is not 'lost'
    group by job;
"""
# `counting` has of each job the attempt that counts: the last one that judged it, else the last that was not lost. With
# a max() SQLite takes the other columns from the row that has it (https://www.sqlite.org/lang_select.html, 2.5).


@dataclass(frozen=True)
class Job:
    """One submission to be graded once."""

    id: str
    exercise: str
    source: str
    person: str
    """Who handed it in; of several who handed in the same, the first by name."""


class HandedRow(msgspec.Struct, frozen=True, gc=False):  # there are many, and cycles they can't form
    """One thing that somebody handed in, and how the attempt that counts judged it."""

    outcomes: dict[str, str]
    """Of the requirements; empty while nothing has judged it."""
    person: str
    exercise: str
    found_at: str
    late: int
    turn: int
    problem: str
    job: str
    """Empty for what can't be graded."""
    outcome: str | None
    """None while nothing has judged it."""
    score: int | None
    note: str


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

    def begin(self, exercises: Sequence[Exercise], *, seed: int, sandbox: str, for_grades: bool) -> None:
        """Write down what this run grades, and how; unless that was done before, then it must be the same.

        Raises UsageError when exercises, graders or seed are others than those that the run began with.
        """
        if not self.setting("format"):
            settings = {
                "format": FORMAT,
                "kata": __version__,
                "seed": str(seed),
                "sandbox": sandbox,
                "for_grades": "yes" if for_grades else "",
                "begun": now(),
            }
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
            (e.id, e.title, e.digest(), e.grader_digest(), _pack(e.requirements))
            for e in exercises
            if e.id not in known
        ]
        with self._writing():
            self._sql.executemany("insert into exercises values (?, ?, ?, ?, ?)", new)

    def exercises(self) -> tuple[ExerciseColumn, ...]:
        """What the run grades, in the order of their numbers."""
        rows = self._sql.execute("select id, title, digest, grader_digest, requirements from exercises order by id")
        return tuple(
            ExerciseColumn(
                id=id_,
                title=title,
                digest=digest,
                grader_digest=grader_digest,
                requirements=_unpack(requirements, tuple[Requirement, ...]),
            )
            for id_, title, digest, grader_digest, requirements in rows
        )

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

    def troubles(self) -> tuple[Trouble, ...]:
        """What the instructor should look at."""
        rows = self._sql.execute("select told from troubles order by place")
        return tuple(_unpack(told, Trouble) for (told,) in rows)

    def roster_columns(self) -> tuple[str, ...]:
        """The columns of the roster, in its order; empty without one."""
        return msgspec.json.decode(self.setting("roster") or "[]", type=tuple[str, ...])

    def intake(self) -> Intake:
        """What was taken in, to be taken into another run."""
        rows = self._sql.execute(
            "select h.person, h.exercise, found_at, late, turn, problem, files from handed h"
            " left join jobs on jobs.id = job left join sources on digest = source order by h.rowid"
        )
        handed = tuple(
            Handed(
                person=person,
                exercise=exercise,
                where=where,
                files=_unpack(files, dict[str, bytes]) if files else {},
                late=bool(late),
                turn=turn,
                problem=problem,
            )
            for person, exercise, where, late, turn, problem, files in rows
        )
        people = self.people()
        strangers = tuple(person.id for person in people if not person.roster) if self.roster_columns() else ()
        return Intake(people=people, handed=handed, unmatched=strangers, troubles=self.troubles())

    # ------------------------------------------------------------ grading

    def waiting(self) -> list[Job]:
        """The jobs that somebody's mark depends on and that no attempt has judged, in a fixed order."""
        rows = self._sql.execute(
            "select id, jobs.exercise, source, min(person) from jobs join handed on handed.job = jobs.id"
            " where not exists (select 1 from attempts where attempts.job = jobs.id and outcome in ('met', 'unmet'))"
            " group by id order by id"
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
        losses = [(job.id, *loss) for loss in _losses(report)] if outcome == "unmet" else []
        with self._writing():
            self._sql.execute(
                "update attempts set ended_at = ?, outcome = ?, score = ?, outcomes = ?, note = ?, seconds = ?"
                " where job = ? and number = ?",
                (now(), outcome, report.score, msgspec.msgpack.encode(outcomes),
                 report.problem.message if report.problem else "", report.phases.total_seconds, job.id, number),
            )  # fmt: skip
            self._sql.execute("insert into reports values (?, ?, ?)", (job.id, number, _pack(report)))
            self._sql.executemany("insert or replace into losses values (?, ?, ?, ?)", losses)

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

    def people(self) -> tuple[Person, ...]:
        """Everybody, in the order of the intake."""
        rows = self._sql.execute("select id, name, roster from people order by place")
        return tuple(Person(id=id_, name=name, roster=_unpack(roster, dict[str, str])) for id_, name, roster in rows)

    def handed(self) -> Iterator[HandedRow]:
        """Of everything that was handed in how its job stands: by person and exercise, the latest turn first."""
        rows = self._sql.execute(
            "select outcomes, person, exercise, found_at, late, turn, problem, coalesce(handed.job, ''), outcome,"
            " score, coalesce(note, '') from handed left join counting on counting.job = handed.job"
            " order by person, exercise, turn desc, found_at"
        )
        outcomes = msgspec.msgpack.Decoder(dict[str, str])
        for packed, *row in rows:
            yield HandedRow(outcomes.decode(packed) if packed else {}, *row)

    def losses(self) -> Iterator[tuple[str, str, str, str]]:
        """Job and requirement of all that was lost, with the check that failed and what it said."""
        return iter(self._sql.execute("select job, requirement, check_text, message from losses order by job"))

    def counting(self) -> dict[str, int]:
        """For each job that has a report the number of the attempt that counts."""
        return dict(self._sql.execute("select job, number from counting where outcome is not null"))

    def report(self, job: str) -> Report | None:
        """The report of the attempt that counts; None when there is none."""
        row = self._sql.execute(
            "select report from reports join attempts using (job, number) where job = ?"
            " order by outcome in ('met', 'unmet') desc, number desc limit 1",
            (job,),
        ).fetchone()
        return _unpack(row[0], Report) if row else None

    def written(self) -> dict[tuple[str, str], tuple[str, int]]:
        """By person and exercise of which attempt a report was written into the run's folder."""
        rows = self._sql.execute("select person, exercise, job, number from written")
        return {(person, exercise): (job, number) for person, exercise, job, number in rows}

    def wrote(self, reports: Iterable[tuple[str, str, str, int]]) -> None:
        """Write down that reports were written: person, exercise, job and attempt of each."""
        with self._writing():
            self._sql.executemany("insert or replace into written values (?, ?, ?, ?)", reports)

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


def _losses(report: Report) -> Iterator[tuple[str, str, str]]:
    """Of each requirement that was judged and lost: which check failed first, and what it said."""
    for requirement in report.requirements:
        if requirement.outcome != "unmet":
            continue
        failed = next((check for check in requirement.checks if check.failure), None)
        if failed and failed.failure:
            yield requirement.id, failed.text, failed.failure.message[:_MESSAGE_CHARS]
        elif report.problem:
            yield requirement.id, "", report.problem.message[:_MESSAGE_CHARS]


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

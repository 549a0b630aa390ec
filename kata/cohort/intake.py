"""What people handed in: recognises the layouts in which submissions are collected.

- a folder for each person, with a folder for each exercise (`ada/15-caching/…`) or the file itself (`ada/cache.py`);
- a Canvas download: `doejane_LATE_4211_77_cache-1.py`, that is name, perhaps a late marker, id, submission, file;
- Gradescope's export: a folder for each submission, and who handed it in in `submission_metadata.yml`;
- clones named `assignment-username`: `15-caching-ada/…`;
- a zip or tar in place of any of these folders, or around all of it.

What isn't recognised becomes a `Trouble`, and the rest goes on.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import msgspec

from kata.cohort.archives import ONE_SUBMISSION, WHOLE_COHORT, stem, unpack
from kata.cohort.gradescope import METADATA, Submitter, read_metadata
from kata.cohort.model import Handed, Intake, Person, Trouble
from kata.cohort.roster import Roster, folded
from kata.errors import UsageError
from kata.exercise import Exercise
from kata.submission import read_folder, read_submission

PEOPLE_MAX = 100_000
CANVAS = re.compile(r"(?P<name>[^_/]+)_(?P<late>LATE_)?(?P<id>\d+)_(?P<number>\d+)_(?P<file>.+)")
_TURN = re.compile(r"-(\d{1,3})(?=\.|$)")
"""Canvas marks the second, third … time that a file was handed in: `cache-1.py`, `cache-2.py`."""
_HIDDEN = (".", "__")


@dataclass(frozen=True)
class _Who:
    """Somebody, as a file or folder names them."""

    names: tuple[str, ...]
    """Ids first."""
    late: bool = False
    turn: int = 0


@dataclass
class _Found:
    handed: list[tuple[_Who, Handed]] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)


def take_in(
    folder: Path, exercises: Sequence[Exercise], roster: Roster | None = None, only: Sequence[Exercise] = ()
) -> Intake:
    """Everything in a folder (or archive) of submissions, read into memory.

    `exercises` are all there are; with `only`, those that count: of a single one any Python file is taken for its own.
    Raises UsageError when the folder can't be read, or holds no submission at all.
    """
    with ExitStack() as stack:
        reader = _Reader(exercises, only or exercises, stack)
        reader.read_root(folder)
    found = reader.found
    if not found.handed and not found.troubles:
        raise UsageError(
            f"{folder} holds no submission.",
            "It should hold a folder, an archive or a file for each person; `kata grade --help` names the layouts.",
        )
    return _matched(found, roster)


class _Reader:
    """Walks what was collected, and sorts it by person and exercise."""

    def __init__(self, exercises: Sequence[Exercise], counting: Sequence[Exercise], stack: ExitStack) -> None:
        self._exercises = exercises
        self._counting = {exercise.id for exercise in counting}
        self._single = counting[0] if len(counting) == 1 else None
        self._stack = stack
        self.found = _Found()

    def read_root(self, folder: Path) -> None:
        if folder.is_file() and stem(folder.name):
            archive, folder = folder, self._room()
            unpack(archive, folder, WHOLE_COHORT, self._trouble)
        if not folder.is_dir():
            raise UsageError(f"{folder} is no folder.", "Name the folder, zip or tar that holds the submissions.")
        entries = _entries(folder)
        while len(entries) == 1 and entries[0].is_dir() and not self._names_somebody(entries[0]):
            entries = _entries(entries[0])
        if METADATA in (entry.name for entry in entries):
            self._read_gradescope(folder_of := entries[0].parent, read_metadata(folder_of / METADATA))
            return
        for entry in entries:
            self._reported(entry.name, partial(self._read_entry, entry))

    def _names_somebody(self, folder: Path) -> bool:
        """Whether it is one person's folder, not one around all of them."""
        return self._clone(folder.name) is not None or any(self._is_submission(each) for each in _entries(folder))

    def _is_submission(self, entry: Path) -> bool:
        named = self._exercise_called(stem(entry.name) or entry.name) if entry.is_dir() or stem(entry.name) else None
        return bool(named or (entry.is_file() and self._exercise_of_file(entry.name)))

    def _reported(self, where: str, read: Callable[[], None]) -> None:
        try:
            read()
        except UsageError as error:
            self._trouble(where, error)

    def _trouble(self, where: str, error: UsageError) -> None:
        self.found.troubles.append(Trouble(where=where, problem=error.message, remedy=error.remedy))

    def _read_entry(self, entry: Path) -> None:
        if entry.is_symlink():
            raise _a_link()
        canvas = CANVAS.fullmatch(entry.name)
        if canvas and entry.is_file():
            self._read_canvas(entry, canvas)
        elif entry.is_dir():
            self._read_person(entry, entry.name, entry.name)
        elif (name := stem(entry.name)) is not None:
            self._read_archive(entry, _Who((name,)), entry.name, name)
        else:
            raise UsageError("It names nobody.", "Put it into a folder that is named for the person who handed it in.")

    def _read_gradescope(self, folder: Path, metadata: dict[str, tuple[Submitter, ...]]) -> None:
        for entry in _entries(folder):
            if entry.name == METADATA:
                continue
            submitters = [each.names for each in metadata.get(entry.name, ()) if each.names]
            if not submitters:
                self._trouble(entry.name, UsageError(f"{METADATA} doesn't say who handed it in.", "Add it there."))
            for names in submitters:
                self._reported(entry.name, partial(self._read_submission, entry, _Who(names)))

    def _read_submission(self, entry: Path, who: _Who) -> None:
        if entry.is_symlink() or not entry.is_dir():
            raise UsageError("It is no folder.", "Export the submissions again.")
        self._read_exercises(entry, who, entry.name, self._single)

    def _read_canvas(self, entry: Path, canvas: re.Match[str]) -> None:
        turn = _TURN.search(canvas["file"])
        who = _Who((canvas["id"], canvas["name"]), bool(canvas["late"]), int(turn[1]) if turn else 0)
        file = _TURN.sub("", canvas["file"], count=1)
        if (name := stem(file)) is not None:
            self._read_archive(entry, who, entry.name, name)
            return
        exercise = self._exercise_of_file(file)
        if exercise is None:
            raise UsageError(f"No exercise asks for a file {file!r}.", "Name it as the exercise does.")
        self._take(who, exercise, entry.name, entry)

    def _read_archive(self, entry: Path, who: _Who, where: str, name: str) -> None:
        """One person's archive: of one exercise, or of several. That it can't be unpacked is the submission's fault."""
        clone = self._clone(name)
        named = clone[0] if clone else self._exercise_called(name) or self._single
        try:
            folder = self._room()
            unpack(entry, folder, ONE_SUBMISSION)
        except UsageError as error:
            if named is None:
                raise
            self._refuse(_Who((clone[1],)) if clone else who, named, where, error.message)
            return
        inside = _entries(folder)
        if len(inside) == 1 and inside[0].is_dir() and not self._is_submission(inside[0]):
            folder = inside[0]  # a folder around all of it
        if clone:
            self._take(_Who((clone[1],)), clone[0], where, folder)
        else:
            self._read_exercises(folder, who, where, named)

    def _read_person(self, folder: Path, name: str, where: str) -> None:
        if clone := self._clone(name):
            self._take(_Who((clone[1],)), clone[0], where, folder)
            return
        self._read_exercises(folder, _Who((name,)), where, None)

    def _read_exercises(self, folder: Path, who: _Who, where: str, named: Exercise | None) -> None:
        """A person's folder: what in it belongs to which exercise."""
        taken = False
        for entry in _entries(folder):
            place = f"{where}/{entry.name}"
            if entry.is_symlink():
                self._trouble(place, _a_link())
                continue
            if entry.is_dir() and (exercise := self._exercise_called(entry.name)):
                self._take(who, exercise, place, entry)
            elif entry.is_file() and stem(entry.name) is not None:
                self._reported(place, partial(self._read_archive, entry, who, place, stem(entry.name) or ""))
            elif entry.is_file() and (exercise := self._exercise_of_file(entry.name)):
                alone = len(_entries(folder)) == 1 or exercise.file != entry.name
                self._take(who, exercise, place, entry if alone else folder)
            else:
                continue
            taken = True
        if not taken and named:
            self._take(who, named, where, folder)
        elif not taken:
            raise UsageError(
                "Nothing in it is named like an exercise, or like an exercise's file.",
                "Name a folder in it like the exercise, or the file as the exercise does.",
            )

    def _take(self, who: _Who, exercise: Exercise, where: str, path: Path) -> None:
        if exercise.id not in self._counting:
            return
        try:
            files = read_submission(path, exercise.file).files if path.is_file() else self._folder(path, exercise)
        except UsageError as error:
            self._refuse(who, exercise, where, error.message.replace(str(path), where))
            return
        self._hand_in(who, Handed(person="", exercise=exercise.id, where=where, files=files))

    def _folder(self, folder: Path, exercise: Exercise) -> dict[str, bytes]:
        files = read_folder(folder)
        inside = [name for name in files if name.rpartition("/")[2] == exercise.file]
        if exercise.file not in files and len(inside) == 1:
            base = inside[0][: -len(exercise.file)]
            files = {name.removeprefix(base): content for name, content in files.items() if name.startswith(base)}
        if exercise.file not in files:
            raise UsageError(f"{folder} holds no {exercise.file}.")
        return files

    def _refuse(self, who: _Who, exercise: Exercise, where: str, problem: str) -> None:
        if exercise.id in self._counting:
            self._hand_in(who, Handed(person="", exercise=exercise.id, where=where, problem=problem))

    def _hand_in(self, who: _Who, handed: Handed) -> None:
        self.found.handed.append((who, handed))

    def _exercise_called(self, name: str) -> Exercise | None:
        """By id, by topic, or by number."""
        wanted = name.casefold()
        for exercise in self._exercises:
            number, _, topic = exercise.id.partition("-")
            if wanted in (exercise.id, topic, number):
                return exercise
        return None

    def _exercise_of_file(self, name: str) -> Exercise | None:
        """By the name of its file; with a single exercise any Python file is its own."""
        asking = [exercise for exercise in self._exercises if exercise.file == name]
        if len(asking) == 1:
            return asking[0]
        return self._single if name.endswith(".py") else None

    def _clone(self, name: str) -> tuple[Exercise, str] | None:
        """The exercise and the username in `15-caching-ada` or `caching-ada`; of two that fit, the longer one."""
        prefixes = ((prefix, e) for e in self._exercises for prefix in (e.id, e.id.partition("-")[2]))
        fitting = [each for each in prefixes if name.casefold().startswith(f"{each[0]}-") and name[len(each[0]) + 1 :]]
        if not fitting:
            return None
        prefix, exercise = max(fitting, key=lambda each: len(each[0]))
        return exercise, name[len(prefix) + 1 :]

    def _room(self) -> Path:
        """A folder to be made, that goes when all was read."""
        return Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="kata-intake-"))) / "all"


def _a_link() -> UsageError:
    return UsageError("It is a link.", "Put the file or folder itself there.")


def _entries(folder: Path) -> list[Path]:
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"{folder} can't be read: {reason}.", "Make it readable.") from None
    if len(names) > PEOPLE_MAX:
        raise UsageError(f"{folder} holds more than {PEOPLE_MAX:,} entries.", "Name the folder of submissions alone.")
    return [folder / name for name in names if not name.startswith(_HIDDEN)]


def _matched(found: _Found, roster: Roster | None) -> Intake:
    """Gives everybody one id: the roster's, else the first that a file or folder named them by."""
    people = {person.id: person for person in (roster.people if roster else ())}
    strangers: dict[str, Person] = {}
    handed = []
    for who, each in found.handed:
        names = [_encodable(name) for name in who.names]
        person = roster.find(*names) if roster else None
        if person is None:
            key = f"?{names[0]}" if roster and names[0] in people else names[0]
            person = strangers.setdefault(key, Person(id=key, name=names[-1]))
        where, problem = _encodable(each.where), _encodable(each.problem)
        handed.append(
            msgspec.structs.replace(each, person=person.id, where=where, late=who.late, turn=who.turn, problem=problem)
        )
    others = sorted(strangers.values(), key=lambda person: (folded(person.name), person.id))
    return Intake(
        people=(*people.values(), *others),
        handed=tuple(handed),
        unmatched=tuple(person.id for person in others) if roster else (),
        troubles=(*(_encodable_trouble(each) for each in found.troubles), *_in_two_places(handed)),
    )


def _encodable(name: str) -> str:
    """A file's name as text: bytes of it that are no UTF-8 become escapes."""
    return name.encode("utf-8", "backslashreplace").decode()


def _encodable_trouble(trouble: Trouble) -> Trouble:
    return Trouble(where=_encodable(trouble.where), problem=_encodable(trouble.problem), remedy=trouble.remedy)


def _in_two_places(handed: Sequence[Handed]) -> Iterator[Trouble]:
    """What one person handed in twice, so that nothing tells which is the later one."""
    places: dict[tuple[str, str, int], list[str]] = {}
    for each in handed:
        places.setdefault((each.person, each.exercise, each.turn), []).append(each.where)
    for (person, exercise, _), wheres in places.items():
        if len(wheres) > 1:
            yield Trouble(
                where=wheres[1],
                problem=f"{person} handed in {exercise} in {len(wheres)} places: {', '.join(wheres)}.",
                remedy="All of them are graded and the best counts; take out those that should not.",
            )

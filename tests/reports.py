"""Sample reports for tests of whatever draws them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from kata.exercise import CATEGORIES, Category
from kata.report.model import (
    CategoryScore,
    CheckResult,
    Dependability,
    ExerciseInfo,
    Failure,
    Line,
    Outcome,
    Phases,
    Place,
    Report,
    RequirementResult,
    SandboxInfo,
    SubmissionInfo,
    Unexecuted,
)

HOSTILE = (
    "\x1b[2J\x1b]0;owned\x07\x9b31m",
    "</pre></style></details><script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\"><svg/onload=alert(1)>",
    "[bold red]100/100[/] [link=https://evil.example]here[/link]",
    "``` \n# owned\n\n| a | b |\n|---|---|\n| ✓ | `100/100` |\n",
    "@everyone #1 https://evil.example www.evil.example [x](javascript:alert(1)) ![y](https://evil.example/z.png)",
    "]]><testcase name='owned'/>&#0;&amp;\x00\x08\x0b\ufffe\uffff",
    "\u202egnp.exe\u202c \u2066\u2067\u2068\u2069 zero\u200b\u200d\ufeffwidth \u00ad\U000e0041",
    "\ud800 lone \udfff",
    "{{ 7 * 7 }} {% raw %} {# x #} ${x} %s",
    "=cmd|' /C calc'!A0",
    "line\r\nline\rback\ttab\u2028sep\u2029par\x85nel",
    "::error file=a.py::owned\n##[error]owned",
    "\N{WOMAN}\N{ZERO WIDTH JOINER}\N{PERSONAL COMPUTER} 漢字 ﷽ a" + "\u0301" * 5,
    "x" * 500,
)


def docker(**changes: Any) -> SandboxInfo:
    return SandboxInfo(
        **{
            "name": "docker",
            "for_grades": True,
            "isolates": ("files", "memory", "network", "processes", "resources"),
            "protections": ("seccomp", "own uid", "no_new_privs", "no capabilities"),
            "image": "sha256:" + "5e1f" * 16,
            "python": "3.13.5",
            **changes,
        }
    )


def process() -> SandboxInfo:
    return SandboxInfo(
        name="process",
        for_grades=False,
        isolates=("crashes", "resources"),
        lacks=("files", "memory", "network", "processes"),
        python="3.11.2",
    )


@dataclass
class Builder:
    """Collects requirements, and makes the report that they add up to."""

    sandbox: SandboxInfo = field(default_factory=docker)
    requirements: list[RequirementResult] = field(default_factory=list)

    def add(
        self,
        id: str,
        category: Category,
        text: str,
        *checks: CheckResult,
        points: int = 8,
        outcome: Outcome | None = None,
        earned: int | None = None,
    ) -> Builder:
        verdict = outcome or (checks[0].outcome if checks else "met")
        self.requirements.append(
            RequirementResult(
                id=id,
                category=category,
                text=text,
                points=points,
                earned=earned if earned is not None else (points if verdict == "met" else 0),
                outcome=verdict,
                checks=checks,
                hint=f"kata hint 15 {id}" if verdict == "unmet" else "",
            )
        )
        return self

    def report(self, **changes: Any) -> Report:
        rows = self.requirements
        outcomes = {each.outcome for each in rows}
        outcome: Outcome = "inconclusive" if "inconclusive" in outcomes else "met" if outcomes <= {"met"} else "unmet"
        made: dict[str, Any] = {
            "exercise": ExerciseInfo(id="15-caching", title="Cache-aside with a TTL", digest="a1b2c3d4" * 8),
            "submission": SubmissionInfo(
                name="cache_aside.py", digest="0f1e2d3c" * 8, files=("cache_aside.py",), lines=74
            ),
            "score": sum(each.earned for each in rows),
            "max_score": sum(each.points for each in rows),
            "outcome": outcome,
            "sandbox": self.sandbox,
            "seed": 4711,
            "requirements": tuple(rows),
            "categories": tuple(
                CategoryScore(
                    category=category,
                    earned=sum(each.earned for each in rows if each.category == category),
                    points=sum(each.points for each in rows if each.category == category),
                )
                for category in CATEGORIES
            ),
            "phases": Phases(start_seconds=0.37, load_seconds=0.12, checks_seconds=1.84, total_seconds=2.41),
            "dependability": Dependability(operations=40, answered=39, answers=1204, right=1203),
            "unexecuted": (Unexecuted(file="cache_aside.py", lines=(12, 13, 14, 15, 31), statements=63),),
            "started_at": "2026-03-14T09:26:53Z",
            "kata_version": "0.1.0",
            "grader_digest": "9a8b7c6d" * 8,
            "replay": "kata check 15 --seed 4711",
        }
        return Report(**{**made, **changes})


def passed(id: str, text: str, **changes: Any) -> CheckResult:
    return CheckResult(
        **{"id": id, "text": text, "outcome": "met", "seconds": 0.02, "virtual_seconds": 60.0, **changes}
    )


STALE = CheckResult(
    id="test_reads_again_at_its_ttl",
    text="A value is served for less than its TTL, and read again from then on.",
    outcome="unmet",
    failure=Failure(
        kind="wrong-answer",
        message="cache.get('ada') gave b'v1' at t=60 s, where a correct system gives b'v2'.",
        expected="b'v2'",
        got="b'v1'",
        advice="At exactly its TTL a value is too old: compare with <, not <=.",
    ),
    transcript=(
        Line(at_seconds=0, text="cache = CacheAside(store, ttl=60, capacity=100)"),
        Line(at_seconds=0, text="cache.get('ada')", result="b'v1'", note="1 read"),
        Line(at_seconds=0, text="store holds 'ada' = b'v2'", kind="world"),
        Line(at_seconds=60, text="cache.get('ada')", result="b'v1'", expected="b'v2'"),
    ),
    seconds=0.031,
    virtual_seconds=60,
    examples=60,
)

STAMPEDE = CheckResult(
    id="test_a_hundred_misses_load_once",
    text="A hundred concurrent misses of one key cost one read.",
    outcome="unmet",
    failure=Failure(
        kind="wrong-answer",
        message="The store was read 100 times for one key, where a correct system reads it once.",
        expected="['ada']",
        got="[" + ", ".join(["'ada'"] * 40) + ", …]",
        places=(
            Place(file="cache_aside.py", line=27, function="get", source="        value = await self._load(key)"),
            Place(
                file="cache_aside.py",
                line=41,
                function="_load",
                source="    return await self.store.read(key)",
            ),
        ),
        advice="Callers that miss while a read of the same key is under way should wait for it.",
    ),
    transcript=(
        Line(at_seconds=0, text="cache = CacheAside(store, ttl=60, capacity=100)"),
        Line(at_seconds=0, text="store answers after 2 s", kind="fault"),
        Line(at_seconds=0, text="cache.get('ada')", note="1 read"),
        Line(at_seconds=0, text="cache.get('ada')", note="1 read"),
        Line(at_seconds=2, text="cache.get('ada')", result="b'v1'"),
        Line(at_seconds=2.25, text="reads of the store", result="['ada', 'ada', 'ada', …]", expected="['ada']"),
    ),
    transcript_cut=194,
    output="miss ada\nmiss ada\nmiss ada\n",
    output_cut=True,
    virtual_seconds=2.25,
)

CRASHED = CheckResult(
    id="test_error_reaches_every_waiter",
    text="An error of the store reaches everyone who waits for it, and is not cached.",
    outcome="unmet",
    failure=Failure(
        kind="exception",
        message="cache.get('grace') raised AttributeError: 'NoneType' object has no attribute 'expires', "
        "and should have raised ConnectionError.",
        places=(Place(file="cache_aside.py", line=52, function="get", source="if entry.expires <= now:"),),
    ),
    transcript=(
        Line(at_seconds=0, text="cache = CacheAside(store)", process="node-1"),
        Line(at_seconds=0, text="cache = CacheAside(store)", process="node-2"),
        Line(at_seconds=0.5, text="store.down()", kind="fault"),
        Line(
            at_seconds=1.25,
            text="cache.get('grace')",
            result="raised ConnectionError: store",
            process="node-2",
        ),
        Line(at_seconds=1.25, text="store.read('grace')", process="node-1", kind="student"),
        Line(
            at_seconds=1.5,
            text="cache.get('grace')",
            result="raised AttributeError: 'NoneType' object has no attribute 'expires'",
            expected="raised ConnectionError",
            process="node-1",
        ),
    ),
)

NOISY = CheckResult(
    id="test_cost_per_hit_is_flat",
    text="A hit costs the same in a cache of 100 as in one of 100,000.",
    outcome="inconclusive",
    failure=Failure(
        kind="our-fault", message="This machine was too busy to measure the growth: 0.31 ± 0.24, limit 0.4."
    ),
)


def met() -> Report:
    return (
        Builder()
        .add(
            "hit",
            "correctness",
            "A hit asks nothing of the store.",
            passed("test_hit", "A second get reads nothing."),
            points=50,
        )
        .add(
            "flight",
            "timing",
            "A hundred misses load once.",
            passed("test_flight", "One read for all."),
            points=25,
        )
        .add(
            "grace",
            "failure",
            "A stale value is served while the store is down.",
            passed("test_grace", "Served."),
            points=25,
        )
        .report(unexecuted=())
    )


def unmet(sandbox: SandboxInfo | None = None) -> Report:
    """A usual run: some of each, transcripts, and a skipped requirement."""
    b = Builder(sandbox or docker())
    b.add(
        "hit",
        "correctness",
        "A hit asks nothing of the store.",
        passed("test_hit", "A second get reads nothing."),
        points=16,
    )
    b.add(
        "missing",
        "correctness",
        "Falsy and missing values are cached like any other.",
        passed("test_falsy", "b'' is cached."),
    )
    b.add("fresh", "correctness", "A value is served for at most its TTL.", STALE)
    b.add(
        "lru",
        "correctness",
        "What was used least recently goes first.",
        passed("test_lru", "The oldest goes."),
        points=10,
    )
    b.add("single-flight", "timing", "A hundred concurrent misses of one key load it once.", STAMPEDE, points=14)
    b.add(
        "bounded",
        "timing",
        "It never holds more than its capacity.",
        passed("test_bound", "100 at most."),
        points=10,
    )
    b.add("waiters", "failure", "An error reaches every waiter, and is not cached.", CRASHED, points=12)
    b.add("leader", "failure", "A cancelled leader harms nobody.", points=12, outcome="skipped")
    b.add(
        "grace",
        "failure",
        "A stale value is served while the store is down, within its grace.",
        passed("test_grace", "Served."),
        points=10,
    )
    return b.report()


def inconclusive() -> Report:
    return (
        Builder()
        .add(
            "hit",
            "correctness",
            "A hit asks nothing of the store.",
            passed("test_hit", "A second get reads nothing."),
            points=60,
        )
        .add("flat", "timing", "The cost of a hit is flat.", NOISY, points=15)
        .add(
            "grace",
            "failure",
            "A stale value is served while the store is down.",
            passed("test_grace", "Served."),
            points=25,
        )
        .report()
    )


def load_problem() -> Report:
    """It could not be imported: nothing ran."""
    failure = Failure(
        kind="load",
        message="cache_aside.py could not be imported: SyntaxError: '(' was never closed.",
        places=(Place(file="cache_aside.py", line=17, source="    self.items = OrderedDict("),),
        advice="Run `python cache_aside.py` to see the same error.",
    )
    b = Builder()
    for each in unmet().requirements:
        b.add(each.id, each.category, each.text, points=each.points, outcome="unmet")
    return b.report(
        problem=failure,
        output="importing …\n",
        unexecuted=None,
        dependability=Dependability(),
        phases=Phases(start_seconds=0.37, load_seconds=0.05, total_seconds=0.43),
    )


def sandbox_died() -> Report:
    b = Builder()
    for each in unmet().requirements:
        b.add(each.id, each.category, each.text, points=each.points, outcome="inconclusive")
    return b.report(
        problem=Failure(kind="our-fault", message="The docker daemon went away while the checks ran."),
        unexecuted=None,
        dependability=Dependability(),
    )


def practice() -> Report:
    return unmet(process())


def restricted() -> Report:
    return (
        Builder()
        .add("fresh", "correctness", "A value is served for at most its TTL.", STALE)
        .report(only=("fresh",), replay="kata check 15 --only fresh --seed 4711")
    )


def hostile(*texts: str) -> Report:
    """The usual run with the texts in every place that a student can write, and in the authors' too."""
    report = unmet()
    pick = iter(range(10**9))

    def foul(value: Any, name: str = "") -> Any:
        if isinstance(value, str) and name not in _FIXED:
            return texts[next(pick) % len(texts)]
        if isinstance(value, dict):
            return {key: foul(each, key) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [foul(each, name) for each in value]
        return value

    fouled = foul(msgspec.to_builtins(report))
    fouled["sandbox"]["name"] = report.sandbox.name
    return msgspec.convert(fouled, Report)


_FIXED = {"outcome", "kind", "category", "id"}
"""Fields whose values the model fixes, and the authors' ids."""


def hostile_everywhere() -> Report:
    return hostile(*HOSTILE)


ALL = {
    "met": met,
    "unmet": unmet,
    "inconclusive": inconclusive,
    "load_problem": load_problem,
    "sandbox_died": sandbox_died,
    "practice": practice,
    "restricted": restricted,
    "hostile": hostile_everywhere,
}

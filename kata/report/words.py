"""The phrases that every face says alike, so that a report reads the same wherever it is shown."""

from __future__ import annotations

from collections.abc import Iterator

from kata.exercise import CATEGORIES, Category
from kata.report.model import CheckResult, Dependability, Failure, Outcome, Phases, Report, RequirementResult
from kata.report.text import line, percent, plural

SYMBOLS: dict[Outcome, str] = {"met": "✓", "unmet": "✗", "inconclusive": "?", "skipped": "–"}

HEADLINES: dict[Outcome, str] = {
    "met": "every requirement is met",
    "unmet": "not every requirement is met",
    "inconclusive": "could not be judged in full",
    "skipped": "nothing was judged",
}

PRACTICE = "practice only"
"""Stands beside every score that a sandbox unfit for grades gave."""

INCONCLUSIVE = "This is not your fault: it could not be judged. Run it again."
SKIPPED = "Not judged: something that it needs is not met yet."

_ONE_CAUSE = {"exception", "exit", "time-out", "load", "our-fault"}
"""Kinds of failure that are about a place in the submission, whatever led there."""

BLOCK_CHARS = 60
"""Expected and got values longer than this are shown one below the other."""


def headline(report: Report) -> str:
    """The outcome in words, `unmet: not every requirement is met`; tells a problem, and a partial run."""
    if report.problem is not None and report.outcome == "unmet":
        return "unmet: the submission could not be graded"
    scope = " of those asked for" if report.only and report.outcome in ("met", "unmet") else ""
    return f"{report.outcome}: {HEADLINES[report.outcome]}{scope}"


def stamp(report: Report) -> str:
    """What the run is worth, by the sandbox that it ran in."""
    sandbox = report.sandbox
    if sandbox.for_grades:
        return f"graded in {sandbox.name}"
    if sandbox.name == "process":
        return f"{PRACTICE}: isolates nothing but crashes and resources"
    return f"{PRACTICE}: this {sandbox.name} sandbox is not fit for grades"


def sandbox(report: Report) -> str:
    """The sandbox by name, and what the run is worth: `graded in docker`, `process, practice only: …`."""
    return stamp(report) if report.sandbox.for_grades else f"{report.sandbox.name}, {stamp(report)}"


def score(report: Report) -> str:
    """`68/100`; never a bare score when it is a practice one."""
    bare = f"{report.score}/{report.max_score}"
    return bare if report.sandbox.for_grades else f"{bare} ({PRACTICE})"


def points(requirement: RequirementResult) -> str:
    """`0/8`; `?/8` when it could not be judged: that is no zero."""
    earned = "?" if requirement.outcome == "inconclusive" else requirement.earned
    return f"{earned}/{requirement.points}"


def cases(requirement: RequirementResult) -> tuple[CheckResult, ...]:
    """The requirement's checks; one that stands for all of it when none was run."""
    if requirement.checks:
        return requirement.checks
    return (CheckResult(id=requirement.id, text=requirement.text, outcome=requirement.outcome),)


def by_category(report: Report) -> Iterator[tuple[Category, list[RequirementResult]]]:
    """The requirements of each category that has any, in the order of the categories."""
    for category in CATEGORIES:
        requirements = [each for each in report.requirements if each.category == category]
        if requirements:
            yield category, requirements


def replay(report: Report, requirement: RequirementResult) -> str:
    """The command that repeats exactly what concerns this requirement."""
    return report.replay if report.only else f"{report.replay} --only {requirement.id}"


def places(failure: Failure) -> list[str]:
    """The student's own frames, a line each: `cache.py:17: self.items = {}`."""
    return [line(f"{place.file}:{place.line}: {place.source.strip()}") for place in failure.places]


def problem_title(problem: Failure) -> str:
    """Whose fault it was that the run as a whole could not be graded."""
    return "This run could not be judged" if problem.kind == "our-fault" else "This submission could not be graded"


def is_long(failure: Failure) -> bool:
    """Whether expected and got need lines of their own."""
    values = (failure.expected, failure.got)
    return any(len(value) > BLOCK_CHARS or "\n" in value for value in values)


def needs_values(failure: Failure, *, in_transcript: bool) -> bool:
    """Whether expected and got stand below the message: where neither it nor the transcript shows them well."""
    told = in_transcript or all(value in failure.message for value in (failure.expected, failure.got))
    return is_long(failure) or not told


def same_failure(one: CheckResult, other: CheckResult) -> bool:
    """Whether two checks failed alike, so that a short face need say it once.

    A wrong answer alone says little: there, what led to it must be the same as well.
    """
    if one.failure is None or one.failure != other.failure:
        return False
    return one.failure.kind in _ONE_CAUSE or one.transcript == other.transcript


def availability(it: Dependability) -> str:
    """`97.5 % (39 of 40 calls answered while faults were on)`."""
    if it.availability is None:
        return "not measured: no call was made while a fault was on"
    calls = plural(it.operations, "call")
    return f"{percent(it.availability)} ({it.answered} of {calls} answered while faults were on)"


def reliability(it: Dependability) -> str:
    """`99.2 % (119 of 120 answers right)`."""
    if it.reliability is None:
        return "not measured: no answer was given"
    return f"{percent(it.reliability)} ({it.right} of {plural(it.answers, 'answer')} right)"


def stages(phases: Phases) -> list[tuple[str, float]]:
    """Names and seconds of the phases, in order; what no phase claims comes last as `rest`."""
    named = [
        ("sandbox start", phases.start_seconds),
        ("load", phases.load_seconds),
        ("checks", phases.checks_seconds),
    ]
    rest = phases.total_seconds - sum(value for _, value in named)
    return [*named, ("rest", max(0.0, rest))]


def facts(report: Report) -> list[tuple[str, str]]:
    """How the run came about, as names and values on one line each; digests in full."""
    box, submission = report.sandbox, report.submission
    rows = [
        ("sandbox", sandbox(report)),
        ("isolates", ", ".join(box.isolates) or "nothing"),
        ("does not isolate", ", ".join(box.lacks)),
        ("protections", ", ".join(box.protections)),
        ("image", box.image),
        ("python", box.python),
        ("submission", f"{submission.name} ({plural(submission.lines, 'line')} of code)"),
        ("submission digest", submission.digest),
        ("exercise digest", report.exercise.digest),
        ("grader digest", report.grader_digest),
        ("seed", str(report.seed)),
        ("only", ", ".join(report.only)),
        ("started", report.started_at),
        ("kata", report.kata_version),
        ("replay", report.replay),
    ]
    return [(name, line(value)) for name, value in rows if value]

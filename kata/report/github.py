"""The report as annotations for a GitHub workflow: a command for each requirement that is not met, a line each.

A line that begins with `::` is a command to the runner, so nothing else may stand in a line's beginning: values are
escaped by the rules of the runner's own toolkit, and hold no line's end.
"""

from __future__ import annotations

from collections.abc import Iterator

from kata.report import text, words
from kata.report.model import Failure, Report, RequirementResult


def github(report: Report) -> bytes:
    """The lines as UTF-8, for the log of a step. Files are named as seen from where the submission's folder is."""
    return "".join(f"{line}\n" for line in _lines(report)).encode()


def _lines(report: Report) -> Iterator[str]:
    score = f"{report.exercise.id}: {words.score(report)}, {words.headline(report)}"
    yield _command("notice", report, None, "kata", score)
    if report.problem is not None:
        level = "warning" if report.problem.kind == "our-fault" else "error"
        yield _command(level, report, report.problem, words.problem_title(report.problem), _said(report.problem))
        return
    for requirement in report.requirements:
        if requirement.outcome in ("unmet", "inconclusive"):
            yield _requirement(report, requirement)


def _requirement(report: Report, requirement: RequirementResult) -> str:
    """Of its first check that did not pass."""
    check = next(each for each in words.cases(requirement) if each.outcome not in ("met", "skipped"))
    level = "error" if requirement.outcome == "unmet" else "warning"
    title = f"{requirement.id}  {words.points(requirement)}"
    message = "\n".join(part for part in (check.text, _said(check.failure) if check.failure else "") if part)
    return _command(level, report, check.failure, title, message)


def _said(failure: Failure) -> str:
    return "\n".join(part for part in (failure.message, failure.advice) if part)


def _command(level: str, report: Report, failure: Failure | None, title: str, message: str) -> str:
    properties = {"title": text.line(title)}
    if failure is not None and failure.places:
        place = failure.places[-1]
        properties |= {"file": text.line(_path(report, place.file)), "line": str(place.line)}
    shown = ",".join(f"{name}={_escaped(value, ':,')}" for name, value in properties.items())
    return f"::{level} {shown}::{_escaped(text.block(message))}"


def _path(report: Report, file: str) -> str:
    """Where a file of the submission is, seen from where its folder is."""
    name = report.submission.name
    return file if name in report.submission.files else f"{name}/{file}"


def _escaped(value: str, also: str = "") -> str:
    """For a command; a property may not hold what separates properties either."""
    for each in ("%", "\r", "\n", *also):
        value = value.replace(each, f"%{ord(each):02X}")
    return value

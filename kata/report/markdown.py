"""The report as GitHub-flavoured Markdown, for a step summary or an issue: to be written to a file.

What a student could write stands only in code spans and fences that are longer than any row of backquotes in
it. There a bracket, a pipe, an @name or an address means nothing. Sentences that could be more than words are
shown as code too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from kata.report import terminal, text, words
from kata.report.model import CheckResult, Failure, Report, RequirementResult

# Without these no Markdown, HTML, mention or mathematics can be made in the middle of a line; and what else
# GitHub makes of bare words: addresses, references to issues and commits, emoji.
_MARKS = re.compile(r"[!#$&*<>@\[\\\]^_`{|}~]")
_REFERENCE = re.compile(r"www\.|://|\bGH-\d|\b[0-9a-f]{7,}\b|:[\w+-]+:|(?:mailto|xmpp):", re.IGNORECASE)


def markdown(report: Report) -> bytes:
    """The document as UTF-8."""
    return ("\n".join(_document(report)).rstrip() + "\n").encode()


def span(value: str) -> str:
    """A code span that the value can't leave; also inside a table, where a bare pipe would end the cell."""
    shown = text.line(value) or " "
    fence = "`" * (_longest_run(shown) + 1)
    gap = " " if shown[0] in "` " or shown[-1] in "` " else ""
    return f"{fence}{gap}{shown}{gap}{fence}".replace("|", "¦" if "\\|" in shown else "\\|")


def fenced(value: str) -> str:
    """A fenced block that the value can't leave."""
    fence = "`" * max(3, _longest_run(value) + 1)
    return f"{fence}text\n{value}\n{fence}"


def sentence(value: str) -> str:
    """As prose, what it has in backquotes as code, when it can only be prose; else all of it as code."""
    shown = text.line(value).strip()
    parts = shown.split("`")
    if not shown or len(parts) % 2 == 0 or any(_MARKS.search(part) or _REFERENCE.search(part) for part in parts[::2]):
        return span(shown)
    return "".join(span(part) if index % 2 else part for index, part in enumerate(parts))


def _longest_run(value: str) -> int:
    return max((len(run) for run in re.findall("`+", value)), default=0)


def _document(report: Report) -> Iterator[str]:
    yield f"## {words.SYMBOLS[report.outcome]} {words.score(report)}: {sentence(report.exercise.title)}"
    yield ""
    yield f"{span(report.submission.name)}: {words.headline(report)}."
    yield ""
    if not report.sandbox.for_grades:
        yield f"**{words.stamp(report).capitalize()}.** This is not a grade."
        yield ""
    if report.problem is not None:
        yield from _problem(report.problem, report.output)
    yield from _table(report)
    for requirement in report.requirements:
        if requirement.outcome in ("unmet", "inconclusive") and report.problem is None:
            yield from _requirement(report, requirement)
    yield from _run(report)


def _problem(problem: Failure, output: str) -> Iterator[str]:
    yield f"**{words.problem_title(problem)}.**"
    yield ""
    stand_in = CheckResult(id="run", text="", outcome="unmet", failure=problem, output=output)
    yield fenced(terminal.plain(terminal.explain_check(stand_in)))
    yield ""


def _table(report: Report) -> Iterator[str]:
    yield "| | Requirement | Category | Points |"
    yield "| :-: | --- | --- | --: |"
    for each in report.requirements:
        points = words.points(each)
        yield f"| {words.SYMBOLS[each.outcome]} | {sentence(each.text)} | {each.category} | {points} |"
    yield ""


def _requirement(report: Report, requirement: RequirementResult) -> Iterator[str]:
    yield f"### {words.SYMBOLS[requirement.outcome]} {sentence(requirement.text)}"
    yield ""
    for check in requirement.checks:
        if check.outcome in ("unmet", "inconclusive"):
            yield fenced(terminal.plain(terminal.explain(requirement, check)))
            yield ""
    if requirement.hint:
        yield f"The next hint: {span(requirement.hint)}  "
    yield f"The same run again: {span(words.replay(report, requirement))}"
    yield ""


def _run(report: Report) -> Iterator[str]:
    yield "### The run"
    yield ""
    yield "| | |"
    yield "| --- | --- |"
    yield f"| availability | {words.availability(report.dependability)} |"
    yield f"| reliability | {words.reliability(report.dependability)} |"
    yield f"| time | {text.number(report.phases.total_seconds, 2)} s |"
    for each in report.unexecuted or ():
        if each.lines:
            yield f"| never ran | {span(each.file)} lines {text.ranges(each.lines)} |"
    for name, value in words.facts(report):
        yield f"| {name} | {span(value)} |"

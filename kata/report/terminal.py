"""The report on a terminal. Built from `Text`, never from markup: hostile brackets mean nothing."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.segment import Segment
from rich.style import Style
from rich.table import Table
from rich.text import Text

from kata.report import text, words
from kata.report.model import CheckResult, Failure, Outcome, Place, Report, RequirementResult
from kata.report.transcript import Transcript

STYLES: dict[Outcome, str] = {"met": "green", "unmet": "red", "inconclusive": "yellow", "skipped": "dim"}
BAR_CHARS = 24
OUTPUT_LINES = 20
OUTPUT_LINES_LATER = 3
"""Of a check after the first one that printed: who prints in a loop would scroll all else away."""
OUTPUT_CHARS = 400
PRACTICE_STYLE = "bold yellow"

# For a terminal whose encoding has none of these; anything else that it lacks is escaped.
_PLAIN = str.maketrans(
    {"✓": "+", "✗": "x", "–": "-", "→": ">", "━": "#", "╌": ".", "│": "|", "…": "~", "·": "*", "‹": "<"}
)


def render(report: Report, console: Console) -> None:
    """Print the whole report to the console, at its width and with the colours that it has."""
    _print(Group(*_whole(report)), console)


def render_brief(report: Report, console: Console) -> None:
    """Print the score and the outcome alone, on one line."""
    _print(_score_line(report), console)


def explain(
    requirement: RequirementResult, check: CheckResult, output_lines: int = OUTPUT_LINES
) -> Iterator[RenderableType]:
    """What a check found: its sentence, what happened, the transcript, the student's lines, its output."""
    if check.text != requirement.text:
        yield Text(text.line(check.text), "italic")
    yield from explain_check(check, output_lines)


def explain_check(check: CheckResult, output_lines: int = OUTPUT_LINES) -> Iterator[RenderableType]:
    """The same without its sentence."""
    if check.outcome == "inconclusive":
        yield Text(words.INCONCLUSIVE, "yellow")
    if check.outcome == "skipped":
        yield Text(words.SKIPPED, "dim")
    if check.failure is not None:
        yield from _failure_head(check.failure)
    told = any(each.expected for each in check.transcript)
    tail = list(_failure_tail(check.failure, in_transcript=told)) if check.failure is not None else []
    if check.transcript:
        yield Padding(Transcript(check), (1, 0, 1 if tail or check.output else 0, 0))
    yield from tail
    if check.output:
        yield from _output(check.output, cut=check.output_cut, most=output_lines)


def plain(renderables: Iterable[RenderableType], width: int = 100) -> str:
    """The same without colours, as text of that many columns, for faces that show plain text."""
    file = io.StringIO()
    console = Console(file=file, width=width, color_system=None, force_terminal=False, no_color=True)
    for renderable in renderables:
        _print(renderable, console)
    return file.getvalue().strip("\n")


class _Page:
    """Draws what it holds in characters that the console's encoding has; no spaces end its lines."""

    def __init__(self, inner: RenderableType) -> None:
        self.inner = inner

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for row in console.render_lines(self.inner, options, pad=False):
            while row and not row[-1].text.strip():
                row.pop()
            before = ""
            for number, segment in enumerate(row, start=1):
                shown = segment.text.rstrip() if number == len(row) else segment.text
                shown = _powerless(shown, starts_row=not before.strip())
                before += shown
                yield Segment(_encodable(shown, options.encoding), segment.style)
            yield Segment.line()


def _powerless(shown: str, *, starts_row: bool) -> str:
    """Without the power to command a CI service that reads it: `::error` in front, `##[error]` anywhere."""
    if starts_row:
        shown = re.sub(r"^(\s*):(?=:[A-Za-z])", r"\1\\x3a", shown)
    return re.sub(r"#(?=#\w*\[)", r"\\x23", shown)


def _encodable(shown: str, encoding: str) -> str:
    try:
        shown.encode(encoding)
    except UnicodeEncodeError:
        return shown.translate(_PLAIN).encode(encoding, "backslashreplace").decode(encoding)
    return shown


def _print(renderable: RenderableType, console: Console) -> None:
    console.print(_Page(renderable), highlight=False, end="")


def _whole(report: Report) -> Iterator[RenderableType]:
    yield from _head(report)
    if report.problem is not None:
        yield Text()
        yield from _problem(report.problem, report.output)
    seen: list[CheckResult] = []
    for category, requirements in words.by_category(report):
        yield Text()
        yield Text(category.capitalize(), "bold")
        for requirement in requirements:
            yield from _requirement(report, requirement, seen, last=requirement is requirements[-1])
    yield Text()
    if report.output and report.problem is None:
        yield from _output(report.output, cut=False, title="While it was imported it printed")
        yield Text()
    yield _foot(report)


def _head(report: Report) -> Iterator[RenderableType]:
    title = Text(text.line(report.exercise.title), "bold")
    title.append(f"  {text.line(report.exercise.id)} · {text.line(report.submission.name)}", "not bold dim")
    yield title
    yield Text()
    yield _score_line(report)
    rows = Table.grid(padding=(0, 2))
    for each in report.categories:
        share = f"{each.earned}/{each.points}"
        rows.add_row(Text(each.category, "dim"), Text(share, justify="right"), _bar(each.earned, each.points))
    yield Padding(rows, (0, 0, 0, 2))


def _score_line(report: Report) -> Text:
    style = STYLES[report.outcome]
    row = Text(f"{words.SYMBOLS[report.outcome]} ", f"bold {style}")
    row.append(f"{report.score}/{report.max_score}", f"bold {style}")
    row.append(f"  {words.headline(report)}", style)
    if not report.sandbox.for_grades:
        row.append(f"  {words.PRACTICE}", PRACTICE_STYLE)
    return row


def _bar(earned: int, points: int) -> Text:
    """Full only when everything is earned, and empty only when nothing is."""
    full = BAR_CHARS * earned // points if points else 0
    if earned > 0:
        full = max(1, full)
    style = "green" if earned == points else "yellow" if earned else "red"
    return Text("━" * full, style).append("╌" * (BAR_CHARS - full), "dim")


def _problem(problem: Failure, output: str) -> Iterator[RenderableType]:
    ours = problem.kind == "our-fault"
    yield Text(words.problem_title(problem), "bold")
    whole = CheckResult(id="run", text="", outcome="inconclusive" if ours else "unmet", failure=problem, output=output)
    yield Padding(Group(*explain_check(whole)), (0, 0, 0, 4))


def _requirement(
    report: Report, requirement: RequirementResult, seen: list[CheckResult], *, last: bool
) -> Iterator[RenderableType]:
    style = STYLES[requirement.outcome]
    row = Table.grid(expand=True, padding=(0, 1, 0, 0))
    row.add_column(width=1)
    row.add_column(ratio=1, overflow="fold")
    row.add_column(justify="right", no_wrap=True)
    row.add_row(
        Text(words.SYMBOLS[requirement.outcome], f"bold {style}"),
        Text(text.line(requirement.text), style if requirement.outcome == "skipped" else ""),
        Text(words.points(requirement), style),
    )
    yield row
    if requirement.outcome in ("met", "skipped") or report.problem is not None:
        return
    for check in requirement.checks:
        if check.outcome in ("unmet", "inconclusive"):
            yield Padding(Group(*_explain_once(requirement, check, seen)), (0, 0, 1, 4))
    commands = [(text.line(requirement.hint), "shows the next hint")] if requirement.hint else []
    commands.append((text.line(words.replay(report, requirement)), "replays this run exactly"))
    yield Padding(_Commands(commands), (0, 0, 0 if last else 1, 2))


def _explain_once(
    requirement: RequirementResult, check: CheckResult, seen: list[CheckResult]
) -> Iterator[RenderableType]:
    """In full the first time, in a line when an earlier check failed in the very same way."""
    earlier = next((each for each in seen if words.same_failure(each, check)), None)
    if earlier is None or check.failure is None:
        has_printed = any(each.output for each in seen)
        seen.append(check)
        yield from explain(requirement, check, OUTPUT_LINES_LATER if has_printed else OUTPUT_LINES)
        return
    seen.append(check)
    if check.text != requirement.text:
        yield Text(text.line(check.text), "italic")
    yield Text(text.line(check.failure.message), "red").append("  as above", "not red dim")


def _failure_head(failure: Failure) -> Iterator[RenderableType]:
    yield Text(text.line(failure.message), "yellow" if failure.kind == "our-fault" else "red")


def _failure_tail(failure: Failure, *, in_transcript: bool) -> Iterator[RenderableType]:
    if words.needs_values(failure, in_transcript=in_transcript):
        yield from _expected_and_got(failure)
    if failure.places:
        yield from _places(failure.places)
    if failure.advice:
        yield Text("Look next: ", "bold").append(text.line(failure.advice), "not bold")


def _expected_and_got(failure: Failure) -> Iterator[RenderableType]:
    rows = [(name, value) for name, value in (("expected", failure.expected), ("got", failure.got)) if value]
    if not rows:
        return
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in rows:
        grid.add_row(name, Text(text.block(value), "green" if name == "expected" else "red"))
    yield grid


def _places(places: tuple[Place, ...]) -> Iterator[RenderableType]:
    for place in places:
        where = Text(f"{text.line(place.file)}:{place.line}", "bold")
        if place.function:
            where.append(f" in {text.line(place.function)}", "not bold dim")
        yield where
        if place.source:
            yield Padding(Text(text.line(place.source.strip())), (0, 0, 0, 4))


def _output(output: str, *, cut: bool, title: str = "It printed", most: int = OUTPUT_LINES) -> Iterator[RenderableType]:
    yield Text(title + (" (cut)" if cut else ""), "dim")
    # A bar before each line: no printed line can look like one of ours, or like a command to a CI service.
    rows = text.block(output).split("\n")
    for row in rows[:most]:
        yield _Barred(Text(row if len(row) <= OUTPUT_CHARS else row[:OUTPUT_CHARS] + "…"))
    if len(rows) > most:
        yield Text(f"… {text.plural(len(rows) - most, 'more line')}, in the other formats …", "dim italic")


class _Barred:
    """A text with a bar before each of its lines, also those that wrap."""

    def __init__(self, inner: Text) -> None:
        self.inner = inner

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        bar = Segment("│ ", Style(dim=True))
        for row in console.render_lines(self.inner, options.update(width=max(1, options.max_width - 2)), pad=False):
            yield bar
            yield from row
            yield Segment.line()


class _Commands:
    """Commands with what each is for beside it, or above it where only so a command stays whole, to be copied."""

    def __init__(self, commands: list[tuple[str, str]]) -> None:
        self.commands = commands

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = max(cell_len(command) for command, _ in self.commands) + 4
        beside = width + max(cell_len(what) for _, what in self.commands) <= options.max_width
        for command, what in self.commands:
            if beside:
                padding = " " * (width - cell_len(command))
                yield Text(command, "bold").append(f"{padding}{what}", "not bold dim")
            else:
                yield Text(f"{what}:", "dim")
                yield Text(f"  {command}", "bold", overflow="fold")


def _foot(report: Report) -> RenderableType:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in _foot_rows(report):
        grid.add_row(name, value)
    return grid


def _foot_rows(report: Report) -> Iterator[tuple[str, Text]]:
    yield "availability", Text(words.availability(report.dependability))
    yield "reliability", Text(words.reliability(report.dependability))
    times = [f"{name} {text.number(value, 2)} s" for name, value in words.stages(report.phases)[:-1]]
    yield "time", Text(f"{text.number(report.phases.total_seconds, 2)} s: " + " · ".join(times))
    for name, value in _unexecuted(report):
        yield name, Text(value)
    yield "sandbox", _stamp(report)
    if report.sandbox.lacks:
        yield "", Text(f"does not isolate {text.line(', '.join(report.sandbox.lacks))}", "yellow")
    digests = {
        "submission": report.submission.digest,
        "exercise": report.exercise.digest,
        "grader": report.grader_digest,
    }
    yield "digests", Text(" · ".join(f"{name} {text.digest(value)}" for name, value in digests.items()))
    yield "replay", Text(text.line(report.replay), "bold")


def _unexecuted(report: Report) -> Iterator[tuple[str, str]]:
    for each in report.unexecuted or ():
        if each.lines:
            count = f"{len(each.lines)} of {text.plural(each.statements, 'statement')}"
            where = f"{text.line(each.file)}: lines {text.ranges(each.lines)}"
            yield "never ran", f"{where} ({count}; costs are measured without looking)"


def _stamp(report: Report) -> Text:
    sandbox = report.sandbox
    row = Text().append(words.sandbox(report), "" if sandbox.for_grades else PRACTICE_STYLE)
    if sandbox.for_grades and sandbox.isolates:
        row.append(f"; isolates {text.line(', '.join(sandbox.isolates))}")
    if sandbox.image:
        row.append(f" · image {text.digest(sandbox.image)}")
    return row.append(f" · Python {text.line(sandbox.python)}" if sandbox.python else "")

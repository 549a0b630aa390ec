"""The report as Gradescope's results.json: a test for each requirement.

So their `max_score` adds up to the exercise's total, as Gradescope asks.
"""

from __future__ import annotations

from typing import Any

import msgspec

from kata.report import terminal, text, words
from kata.report.model import Report, RequirementResult


def gradescope(report: Report) -> bytes:
    """The JSON document as UTF-8. All texts are in its format `text`, which it does not interpret."""
    results = {
        "score": report.score,
        "execution_time": round(report.phases.total_seconds, 3),
        "output": _output(report),
        "output_format": "text",
        "test_output_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "extra_data": {
            "outcome": report.outcome,
            "for_grades": report.sandbox.for_grades,
            **{name: text.line(value) for name, value in words.facts(report)},
        },
        "tests": [_test(report, number, each) for number, each in enumerate(report.requirements, start=1)],
    }
    return msgspec.json.format(msgspec.json.encode(results), indent=2) + b"\n"


def _output(report: Report) -> str:
    rows = [f"{words.score(report)}, {words.headline(report)}"]
    if report.outcome == "inconclusive":
        rows.append(words.INCONCLUSIVE)
    if report.problem is not None:
        rows.append(text.line(report.problem.message))
        rows += words.places(report.problem)
        rows.append(text.line(report.problem.advice))
    rows += [
        f"availability: {words.availability(report.dependability)}",
        f"reliability: {words.reliability(report.dependability)}",
        f"sandbox: {words.sandbox(report)}",
        f"replay: {text.line(report.replay)}",
    ]
    return "\n".join(row for row in rows if row)


def _test(report: Report, number: int, requirement: RequirementResult) -> dict[str, Any]:
    """No status when it could not be judged: Gradescope knows passed and failed, and neither is true."""
    test: dict[str, Any] = {
        "score": requirement.earned,
        "max_score": requirement.points,
        "name": text.line(f"{requirement.id}: {requirement.text}"),
        "number": str(number),
        "output": _explanation(report, requirement),
        "output_format": "text",
        "tags": [requirement.category],
        "visibility": "visible",
        "extra_data": {"id": requirement.id, "outcome": requirement.outcome},
    }
    if requirement.outcome != "inconclusive":
        test["status"] = "passed" if requirement.outcome == "met" else "failed"
    return test


def _explanation(report: Report, requirement: RequirementResult) -> str:
    shown = [
        terminal.plain(terminal.explain(requirement, check))
        for check in words.cases(requirement)
        if check.outcome != "met"
    ]
    if requirement.hint and report.problem is None:
        shown.append(f"{text.line(requirement.hint)} shows the next hint")
    return "\n\n".join(each for each in shown if each)

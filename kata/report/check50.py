"""The report in check50's JSON: a result for each check; `passed` is null when it could not be judged."""

from __future__ import annotations

from typing import Any

import msgspec

from kata.report import terminal, text, words
from kata.report.model import CheckResult, Failure, Outcome, Report, RequirementResult

PASSED: dict[Outcome, bool | None] = {"met": True, "unmet": False, "inconclusive": None, "skipped": None}

RATIONALES: dict[Outcome, str] = {
    "met": "",
    "unmet": "The requirement is not met.",
    "inconclusive": words.INCONCLUSIVE,
    "skipped": words.SKIPPED,
}


def check50(report: Report) -> bytes:
    """The JSON document as UTF-8."""
    results = [_whole(report.problem)] if report.problem is not None else []
    for requirement in report.requirements:
        results += [_result(requirement, check) for check in words.cases(requirement)]
    document = {
        "slug": text.line(report.exercise.id),
        "version": text.line(report.kata_version),
        "results": results,
        "score": report.score,
        "max_score": report.max_score,
        "sandbox": words.stamp(report),
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def _whole(problem: Failure) -> dict[str, Any]:
    """The run as a whole, when something kept it from being graded."""
    return {
        "name": "run",
        "description": "The submission can be graded.",
        "passed": None if problem.kind == "our-fault" else False,
        "log": words.places(problem),
        "cause": _cause(problem),
        "data": {},
        "dependency": None,
    }


def _result(requirement: RequirementResult, check: CheckResult) -> dict[str, Any]:
    passed = PASSED[check.outcome]
    return {
        "name": text.line(check.id),
        "description": text.line(check.text),
        "passed": passed,
        "log": [] if passed else terminal.plain(terminal.explain(requirement, check)).splitlines(),
        "cause": None if passed else _reason(requirement, check),
        "data": {
            "requirement": text.line(requirement.id),
            "category": requirement.category,
            "points": requirement.points,
            "earned": requirement.earned,
            "outcome": check.outcome,
        },
        "dependency": None,
    }


def _reason(requirement: RequirementResult, check: CheckResult) -> dict[str, Any]:
    if check.failure is not None:
        return {**_cause(check.failure), "help": text.line(check.failure.advice or requirement.hint) or None}
    return {
        "rationale": RATIONALES[check.outcome],
        "help": text.line(requirement.hint) or None,
        "expected": None,
        "actual": None,
    }


def _cause(failure: Failure) -> dict[str, Any]:
    return {
        "rationale": text.line(failure.message),
        "help": text.line(failure.advice) or None,
        "expected": text.block(failure.expected) or None,
        "actual": text.block(failure.got) or None,
    }

"""The report as JUnit XML: a suite for each requirement, a case for each of its checks, points as properties.

The first suite is the run as a whole: how it came about, and what kept it from being graded.
`inconclusive` is an error.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence

from kata.report import terminal, text, words
from kata.report.model import CheckResult, Failure, Report, RequirementResult


def junit(report: Report) -> bytes:
    """The XML document as UTF-8."""
    root = ET.Element("testsuites")
    whole = _suite(root, report, "run", [("score", words.score(report)), *words.facts(report)])
    _whole_case(whole, report)
    for requirement in report.requirements:
        points = [
            ("category", requirement.category),
            ("points", str(requirement.points)),
            ("earned", str(requirement.earned)),
            ("outcome", requirement.outcome),
        ]
        suite = _suite(root, report, requirement.id, points)
        for check in words.cases(requirement):
            _case(suite, report, requirement, check)
    for suite in root:
        _count(suite, list(suite.iter("testcase")))
    root.set("name", text.line(report.exercise.id))
    _count(root, list(root.iter("testcase")))
    ET.indent(root)
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode").encode() + b"\n"


def _suite(root: ET.Element, report: Report, name: str, properties: list[tuple[str, str]]) -> ET.Element:
    timestamp = text.line(report.started_at)
    suite = ET.SubElement(root, "testsuite", name=text.line(f"{report.exercise.id}.{name}"), timestamp=timestamp)
    holder = ET.SubElement(suite, "properties")
    for key, value in properties:
        ET.SubElement(holder, "property", name=key, value=text.line(value))
    return suite


def _whole_case(suite: ET.Element, report: Report) -> None:
    time = f"{report.phases.start_seconds + report.phases.load_seconds:.3f}"
    case = ET.SubElement(suite, "testcase", classname=text.line(report.exercise.id), name="can be graded", time=time)
    if report.problem is not None:
        _fault(case, report.problem, report.problem.message)
    if report.output:
        ET.SubElement(case, "system-out").text = text.block(report.output)


def _case(suite: ET.Element, report: Report, requirement: RequirementResult, check: CheckResult) -> None:
    case = ET.SubElement(
        suite,
        "testcase",
        classname=text.line(f"{report.exercise.id}.{requirement.id}"),
        name=text.line(check.text),
        time=f"{check.seconds:.3f}",
    )
    if check.outcome == "skipped":
        ET.SubElement(case, "skipped", message=words.SKIPPED)
    elif check.outcome != "met":
        ours = check.outcome == "inconclusive"
        failure = check.failure or report.problem or _unexplained(check)
        _fault(case, failure, terminal.plain(terminal.explain(requirement, check)), ours=ours)
    if check.output:
        ET.SubElement(case, "system-out").text = text.block(check.output)


def _unexplained(check: CheckResult) -> Failure:
    ours = check.outcome == "inconclusive"
    return Failure(kind="our-fault" if ours else "load", message=f"{check.outcome}, and nothing more is known.")


def _fault(case: ET.Element, failure: Failure, explanation: str, *, ours: bool = False) -> None:
    tag = "error" if ours or failure.kind == "our-fault" else "failure"
    fault = ET.SubElement(case, tag, message=text.line(failure.message), type=failure.kind)
    fault.text = text.visible(explanation)


def _count(holder: ET.Element, cases: Sequence[ET.Element]) -> None:
    holder.set("tests", str(len(cases)))
    for tag, attribute in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        holder.set(attribute, str(sum(case.find(tag) is not None for case in cases)))
    holder.set("time", f"{sum(float(case.get('time', '0')) for case in cases):.3f}")

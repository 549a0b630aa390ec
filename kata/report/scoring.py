"""From what the checks found to points. A requirement earns all of its points, or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kata.exercise import CATEGORIES, Exercise, Requirement
from kata.report.model import CategoryScore, CheckResult, Outcome, RequirementResult


def outcome_of(outcomes: Sequence[Outcome]) -> Outcome:
    """Of several outcomes together: one unmet decides; without one, whatever could not be judged leaves it open."""
    for decisive in ("unmet", "inconclusive", "skipped"):
        if decisive in outcomes:
            return decisive
    return "met" if outcomes else "inconclusive"


def judge(
    exercise: Exercise, wanted: Sequence[Requirement], checks: Mapping[str, Sequence[CheckResult]]
) -> tuple[RequirementResult, ...]:
    """Each wanted requirement with the checks that are evidence for it, by its id."""
    results = []
    for requirement in wanted:
        found = tuple(checks.get(requirement.id, ()))
        outcome = outcome_of([check.outcome for check in found])
        met = outcome == "met"
        results.append(
            RequirementResult(
                id=requirement.id,
                category=requirement.category,
                text=requirement.text,
                points=requirement.points,
                earned=requirement.points if met else 0,
                outcome=outcome,
                checks=found,
                hint="" if met else f"kata hint {exercise.id} {requirement.id}",
            )
        )
    return tuple(results)


def by_category(results: Sequence[RequirementResult]) -> tuple[CategoryScore, ...]:
    """Points earned and to be had in each category that has requirements."""
    scores = []
    for category in CATEGORIES:
        mine = [result for result in results if result.category == category]
        if mine:
            scores.append(
                CategoryScore(category=category, earned=sum(r.earned for r in mine), points=sum(r.points for r in mine))
            )
    return tuple(scores)


def overall(results: Sequence[RequirementResult]) -> Outcome:
    """Of a whole run: inconclusive as soon as one requirement could not be judged, else unmet unless all are met."""
    outcomes = [result.outcome for result in results]
    if "inconclusive" in outcomes:
        return "inconclusive"
    return "met" if all(outcome == "met" for outcome in outcomes) else "unmet"

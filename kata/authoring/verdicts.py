"""What the runs of an exercise's own submissions prove, and what they disprove."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Iterator

from kata.authoring.findings import Finding, Mark, Row, Severity, Summary, relative
from kata.authoring.grader import Check, Losses, read_losses
from kata.authoring.papers import source_of
from kata.authoring.trials import Subject, Trial
from kata.exercise import Exercise
from kata.report.model import Report

STUB_SCORE_MAX = 5
LOG_CHARS = 2_000
"""Of the log of a run that was inconclusive: its end, where the traceback of a check that broke stands."""


def judge_trials(
    exercise: Exercise, checks: list[Check], trials: list[Trial], *, full: bool
) -> tuple[list[Finding], Summary]:
    """Findings about one exercise's runs, and their figures. `checks` is what its grader's source shows.

    Unless `full`, wrong submissions were graded by what they name alone, which says nothing of the other checks.
    """
    findings: list[Finding] = []
    rows: list[Row] = []
    by_subject = _by_subject(trials)
    stub_score: int | None = None
    for subject, own in by_subject:
        findings += _unjudged(subject, own)
        graded = [(t.seed, t.report) for t in own if t.report and t.report.outcome != "inconclusive"]
        if not graded:
            continue
        if subject.role == "stub":
            stub_score = graded[0][1].score
            findings += _stub(subject, graded[0][1])
        elif subject.role == "wrong":
            losses = read_losses(source_of(subject.path, exercise.file)) or Losses(frozenset(), frozenset())
            row = _row(subject, losses, [report for _, report in graded])
            rows.append(row)
            findings += _wrong(subject, row, graded)
        else:
            findings += _right(subject, graded)
    if full:
        findings += _caught(exercise, checks, trials)
    return findings, Summary(
        requirements=tuple(requirement.id for requirement in exercise.requirements),
        rows=tuple(rows),
        checks=len(checks),
        wrong=sum(subject.role == "wrong" for subject, _ in by_subject),
        right=sum(subject.role == "right" for subject, _ in by_subject),
        stub_score=stub_score,
        runs=len(trials),
    )


def _by_subject(trials: list[Trial]) -> list[tuple[Subject, list[Trial]]]:
    """In a stable order: subjects by role and name, each one's runs by seed."""
    found: dict[tuple[str, str], list[Trial]] = defaultdict(list)
    for trial in sorted(trials, key=lambda trial: trial.seed):
        found[trial.subject.role, trial.subject.name].append(trial)
    return [(own[0].subject, own) for _, own in sorted(found.items())]


def _finding(subject: Subject, message: str, remedy: str, severity: Severity = "error", detail: str = "") -> Finding:
    file = relative(subject.exercise, subject.path)
    return Finding(severity=severity, file=file, message=message, remedy=remedy, detail=detail)


def _replay(subject: Subject, seed: int, requirement: str = "") -> str:
    """The command that repeats one run, to be typed in the folder that holds the three trees."""
    only = ["--only", requirement] if requirement else []
    path = relative(subject.exercise, subject.path)
    return shlex.join(["kata", "check", subject.exercise.id, path, *only, "--seed", str(seed)])


def _unjudged(subject: Subject, own: list[Trial]) -> Iterator[Finding]:
    """Runs that say nothing about the exercise: the submission can't be read, or something of ours broke."""
    unread = [trial for trial in own if trial.report is None]
    if unread:
        yield _finding(subject, f"It can't be read: {unread[0].problem}", "Mend or remove it.")
    broken = [trial for trial in own if trial.report and trial.report.outcome == "inconclusive"]
    if broken and broken[0].report:
        why = _first_failure(broken[0].report)
        yield _finding(
            subject,
            f"{len(broken)} of {len(own)} runs were inconclusive, first seed {broken[0].seed}: {why}",
            f"Look at the check or the machine, not at the submission: `{_replay(subject, broken[0].seed)}`.",
            "inconclusive",
            broken[0].log.strip()[-LOG_CHARS:],
        )


def _first_failure(report: Report, requirement: str | None = None) -> str:
    """The message of the first failure, of one requirement or of the run."""
    if report.problem is not None:
        return report.problem.message
    for result in report.requirements:
        if requirement in (None, result.id):
            for check in result.checks:
                if check.failure is not None:
                    return f"{check.text} {check.failure.message}"
    return "no reason was given."


def _stub(subject: Subject, report: Report) -> Iterator[Finding]:
    if report.problem is not None:
        yield _finding(
            subject,
            f"The stub does not load: {report.problem.message}",
            "Let only its functions raise, when called.",
        )
    if report.score > STUB_SCORE_MAX:
        yield _finding(
            subject,
            f"The stub earns {report.score} points, and {STUB_SCORE_MAX} are the most it may.",
            "Make the checks ask for an answer that a program can't give by doing nothing.",
        )


def _right(subject: Subject, graded: list[tuple[int, Report]]) -> Iterator[Finding]:
    for seed, report in graded:
        if report.problem is not None:
            yield _finding(
                subject,
                f"It could not be graded: {report.problem.message}",
                f"Replay it: `{_replay(subject, seed)}`.",
            )
            return
    requirements = dict.fromkeys(result.id for _, report in graded for result in report.requirements)
    for requirement in requirements:
        failed = [(seed, report) for seed, report in graded if _outcome(report, requirement) == "unmet"]
        if failed:
            seed, report = failed[0]
            yield _finding(
                subject,
                f"It must meet everything, and loses {requirement!r} on {len(failed)} of {len(graded)} seeds,"
                f" first {seed}: {_first_failure(report, requirement)}",
                f"Mend the check, or the submission: `{_replay(subject, seed, requirement)}`.",
            )


def _outcome(report: Report, requirement: str) -> str:
    for result in report.requirements:
        if result.id == requirement:
            return result.outcome
    return "missing"


def _row(subject: Subject, losses: Losses, reports: list[Report]) -> Row:
    ids = [requirement.id for requirement in subject.exercise.requirements]
    return Row(
        submission=subject.name,
        named=losses.named,
        allowed=losses.allowed,
        marks={i: _mark([_outcome(report, i) for report in reports]) for i in ids},
    )


def _mark(outcomes: list[str]) -> Mark:
    kinds = set(outcomes)
    if "unmet" in kinds:
        return "lost" if len(kinds) == 1 else "sometimes"
    if kinds == {"met"}:
        return "kept"
    if kinds == {"missing"}:
        return "unasked"
    return "skipped" if "skipped" in kinds else "unknown"


def _wrong(subject: Subject, row: Row, graded: list[tuple[int, Report]]) -> Iterator[Finding]:
    first_seed, first = graded[0]
    if first.problem is not None:
        yield _finding(
            subject,
            f"Nothing about it was judged: {first.problem.message}",
            f"A wrong submission must load: `{_replay(subject, first_seed)}`.",
        )
        return
    for requirement, mark in row.marks.items():
        if requirement in row.named and mark != "lost":
            yield _not_lost(subject, requirement, mark, graded)
        elif requirement not in row.named | row.allowed and mark in ("lost", "sometimes"):
            seed, report = next(pair for pair in graded if _outcome(pair[1], requirement) == "unmet")
            yield _finding(
                subject,
                f"It loses {requirement!r}, which it does not name: {_first_failure(report, requirement)}",
                f"Name it, if a reader would expect that; else the check asks more than its sentence says:"
                f" `{_replay(subject, seed, requirement)}`.",
            )


def _not_lost(subject: Subject, requirement: str, mark: Mark, graded: list[tuple[int, Report]]) -> Finding:
    if mark == "skipped":
        return _finding(
            subject,
            f"It names {requirement!r}, which was skipped because something that it needs is unmet.",
            "Name only what it loses by itself.",
        )
    kept = [seed for seed, report in graded if _outcome(report, requirement) != "unmet"]
    return _finding(
        subject,
        f"It must lose {requirement!r}, and keeps it on {len(kept)} of {len(graded)} seeds, first {kept[0]}.",
        f"Make a check of {requirement!r} catch it: `{_replay(subject, kept[0], requirement)}`.",
    )


def _caught(exercise: Exercise, checks: list[Check], trials: list[Trial]) -> Iterator[Finding]:
    """Checks that no wrong submission fails: they may be right, but nothing shows it.

    Nothing is said when a wrong submission could not be judged: it may be the one.
    """
    wrong = [trial for trial in trials if trial.subject.role == "wrong"]
    if any(trial.report is None or trial.report.outcome == "inconclusive" for trial in wrong):
        return
    failed = {
        (result.id, check.text)
        for trial in wrong
        if trial.report
        for result in trial.report.requirements
        for check in result.checks
        if check.outcome == "unmet"
    }
    for check in checks:
        if (check.requirement, check.sentence) not in failed:
            yield Finding(
                severity="error",
                file=relative(exercise, check.path),
                line=check.line,
                message=f"{check.name} catches nothing: no wrong submission fails it.",
                remedy="Add a plausible wrong submission that it catches, or take the check away.",
            )

"""`kata dev check`: proves that exercises are in their best form.

First the files are read (`papers.py`, `grader.py`). Then, for exercises that can be run at all, the stub, the
reference and every right and wrong submission are graded (`trials.py`), and the outcomes are judged
(`verdicts.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

from kata.authoring.findings import ExerciseReport, Finding, Summary
from kata.authoring.grader import Check, read_grader
from kata.authoring.papers import read_papers, submissions_in
from kata.authoring.trials import Progress, Trial, run_trials, subjects_of
from kata.authoring.verdicts import judge_trials
from kata.exercise import Exercise
from kata.sandbox import Launcher
from kata.sandbox.choose import cores


def check_exercises(
    exercises: Sequence[Exercise],
    launcher: Launcher,
    *,
    seeds: int,
    first_seed: int,
    jobs: int | None = None,
    full: bool = False,
    progress: Progress = lambda done, total, label: None,
) -> list[ExerciseReport]:
    """Prove each exercise; the reports come in the order of the exercises, one for each.

    `seeds` is on how many seeds, from `first_seed` on, the reference and every right submission must earn
    everything. Wrong submissions are graded by what they name alone; with `full` by everything, which shows what else
    they lose, and which checks catch nothing. `jobs` is how many sandboxes run at a time (default: one a CPU). An
    exercise of which a Python file is missing or can't be parsed is not run: its report has a summary with 0 runs.
    """
    exercises = list({exercise.id: exercise for exercise in exercises}.values())
    read = {exercise.id: _read(exercise) for exercise in exercises}
    fit = [exercise for exercise in exercises if not _blocked(read[exercise.id][1])]
    trials = run_trials(
        [subject for exercise in fit for subject in subjects_of(exercise)],
        launcher,
        seeds=range(first_seed, first_seed + seeds),
        jobs=jobs or cores(),
        progress=progress,
        full=full,
    )
    return [_report(exercise, *read[exercise.id], trials, full) for exercise in exercises]


def _read(exercise: Exercise) -> tuple[list[Check], list[Finding]]:
    checks, findings = read_grader(exercise)
    return checks, [*read_papers(exercise), *findings]


def _blocked(findings: list[Finding]) -> bool:
    return any(finding.blocking for finding in findings)


def _report(
    exercise: Exercise, checks: list[Check], findings: list[Finding], trials: list[Trial], full: bool
) -> ExerciseReport:
    own = [trial for trial in trials if trial.subject.exercise.id == exercise.id]
    if not own:
        return ExerciseReport(exercise=exercise.id, findings=tuple(findings), summary=_unrun(exercise, checks))
    more, summary = judge_trials(exercise, checks, own, full=full)
    return ExerciseReport(exercise=exercise.id, findings=(*findings, *more), summary=summary)


def _unrun(exercise: Exercise, checks: list[Check]) -> Summary:
    return Summary(
        requirements=tuple(requirement.id for requirement in exercise.requirements),
        checks=len(checks),
        wrong=len(submissions_in(exercise.grader_folder / "wrong", exercise.file)),
        right=len(submissions_in(exercise.grader_folder / "right", exercise.file)),
    )

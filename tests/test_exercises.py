"""Every exercise proves itself: the stub loses, right submissions earn everything, wrong ones lose what they name."""

from __future__ import annotations

import pytest

from kata.authoring.check import check_exercises
from kata.catalog import Catalog

SEED = 20_261


def prove(exercise_id: str, launcher) -> None:
    [report] = check_exercises([Catalog().get(exercise_id)], launcher, seeds=1, first_seed=SEED, jobs=2)
    faults = [f"{f.place}: {f.message} {f.remedy}" for f in report.findings if f.severity != "warning"]
    assert not faults, f"from seed {SEED}:\n" + "\n".join(faults)


@pytest.mark.slow
@pytest.mark.bubblewrap
@pytest.mark.parametrize("exercise_id", Catalog().ids())
def test_proves_itself_in_bubblewrap(exercise_id):
    from kata.sandbox.bubblewrap import BubblewrapLauncher

    prove(exercise_id, BubblewrapLauncher())


@pytest.mark.slow
@pytest.mark.docker
@pytest.mark.parametrize("lanes", [1, 2])
@pytest.mark.parametrize("exercise_id", Catalog().ids())
def test_the_reference_earns_everything_in_docker(exercise_id, lanes):
    from kata.grade import grade
    from kata.sandbox.choose import choose
    from kata.submission import read_submission

    exercise = Catalog().get(exercise_id)
    [reference] = exercise.solution_folder.glob("*.py")
    launcher = choose("docker", progress=lambda line: None, notice=lambda line: None)
    submission = read_submission(reference, exercise.file)
    report = grade(exercise, submission, launcher, seed=SEED, connection=launcher.start(lanes))
    lost = [(check.id, check.failure) for each in report.requirements for check in each.checks if check.failure]
    assert report.outcome == "met", f"seed {SEED}: {report.problem} {lost}"

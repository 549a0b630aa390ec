"""Every exercise proves itself: the stub loses, right submissions earn everything, wrong ones lose what they name."""

from __future__ import annotations

import pytest

from kata.authoring.check import check_exercises
from kata.catalog import Catalog

SEED = 20_261


def prove(exercise_id: str, launcher) -> None:
    [report] = check_exercises([Catalog().get(exercise_id)], launcher, seeds=1, first_seed=SEED, jobs=2, quick=True)
    faults = [f"{f.place}: {f.message} {f.remedy}" for f in report.findings if f.severity != "warning"]
    assert not faults, f"from seed {SEED}:\n" + "\n".join(faults)


@pytest.mark.slow
@pytest.mark.bubblewrap
@pytest.mark.parametrize("exercise_id", Catalog().ids())
def test_proves_itself_in_bubblewrap(exercise_id):
    from kata.sandbox.bubblewrap import BubblewrapLauncher

    prove(exercise_id, BubblewrapLauncher())

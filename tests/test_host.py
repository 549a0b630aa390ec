"""What a student process does, in processes that end by themselves when the supervisor lets go of them.

These are tests of the lockstep, run once more: here coverage is kept of what runs in the zygote and its children.
"""

from __future__ import annotations

import os
import select
from collections.abc import Iterator

import pytest
from test_guards import (  # noqa: F401
    test_a_large_turn_comes_in_several_frames,
    test_answers_that_may_not_cross,
)
from test_lockstep import (  # noqa: F401
    test_a_blocking_call_blocks_the_process,
    test_a_submission_that_cannot_be_imported,
    test_cancel_reaches_the_task,
    test_cancelled_before_it_began,
    test_cancelled_while_the_process_sleeps,
    test_each_makes_bulk_calls_in_order,
    test_exceptions_of_fakes_arrive_by_name,
    test_fakes_of_each_kind,
    test_objects_stay_and_are_named,
    test_only_the_submissions_frames_are_told,
    test_records_cross_both_ways_and_are_the_submissions_own,
    test_sleeping_a_week_in_either_way,
    test_the_wall_clock_steps_alone,
    test_threads_call_fakes_plainly,
    test_threads_live_in_virtual_time,
    test_timeouts_of_asyncio_are_virtual,
)
from worlds import GentleSpawner

from kata.exercise import Limits
from kata.supervisor.world import World


@pytest.fixture(scope="module")
def spawner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GentleSpawner]:
    spawner = GentleSpawner("plain", tmp_path_factory.mktemp("gentle"))
    yield spawner
    spawner.close()


def test_a_process_ends_when_the_supervisor_is_gone(spawner, world_of):
    world = world_of("import os\ndef pid(): return os.getpid()\n")
    ended = os.pidfd_open(world.student().pid())
    world.nodes[0]._spawned.channel.shutdown(2)
    assert select.select([ended], [], [], 10)[0]
    os.close(ended)


def test_the_lines_that_ran_are_told(tmp_path):
    source = b"def ran():\n    return 1\ndef never():\n    return 2\n"
    spawner = GentleSpawner("plain", tmp_path)
    try:
        spawner.prepare({"answer.py": source, "other.py": b"x = 1\n"}, "answer.py", Limits(), 0)
        world = World(spawner, Limits(), 1, {"answer.py": source, "other.py": b"x = 1\n"})
        world.begin("preflight", True)
        world.student()
        world.end()
        assert world.tally.statements["answer.py"] == (1, 2, 3, 4)
        assert world.tally.executed["answer.py"] == {1, 3}
        spawner.compile()
        world.begin("check", True)
        world.student().ran()
        world.end()
        assert world.tally.executed["answer.py"] == {1, 2, 3}
        world.begin("untraced", False)
        world.student().never()
        world.end()
        assert world.tally.executed["answer.py"] == {1, 2, 3}
    finally:
        spawner.close()

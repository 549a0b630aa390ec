from __future__ import annotations

import pytest


@pytest.fixture
def counter(student):
    return student.Counter()

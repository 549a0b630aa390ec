"""Tries: to bring along what test runners and interpreters load by themselves.
Against: 15-caching (hit, fresh)
Must: score at most 0; unmet; says /nothing of it was loaded/
"""

EVIL = "print('BREACH loaded')\nimport os\nos.environ['BREACH'] = '1'\n"
HOOKS = "def pytest_runtest_protocol(item, nextitem):\n    print('BREACH hook')\n    return True\n"
FILES = {
    "cache_aside.py": (
        "class CacheAside:\n    def __init__(self, *values, **named):\n"
        "        raise LookupError('nothing of it was loaded')\n"
    ),
    "conftest.py": EVIL + HOOKS,
    "pytest.ini": "[pytest]\naddopts = -p evil --co\n",
    "setup.cfg": "[tool:pytest]\naddopts = --co\n",
    "pyproject.toml": "[tool.pytest.ini_options]\naddopts = '--co'\n",
    "tox.ini": "[pytest]\naddopts = --co\n",
    "evil.py": EVIL,
    "evil.pth": "import os; print('BREACH pth')\n",
    "sitecustomize.py": EVIL,
    "usercustomize.py": EVIL,
    "test_correctness.py": "def test_hit():\n    pass\n",
    "pytest.py": EVIL,
    "kata_.py": EVIL,
    "exercise.toml": "format = 1\n",
}


def build(folder):
    for name, text in FILES.items():
        (folder / name).write_text(text)
    return folder

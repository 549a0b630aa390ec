"""Fuzzing of what parses hostile data: `targets.py` has the parsers, `python -m tests.fuzz` runs one under atheris."""

NAMES = (
    "student_frames",
    "supervisor_events",
    "submission_folders",
    "archives",
    "gradescope_metadata",
    "exercise_metadata",
    "json_reports",
)
"""Of the targets. To know them costs no import of what is to be instrumented."""

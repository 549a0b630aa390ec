"""The JSON Schema of a report, made from the model. `schema.json` beside this file is for users."""

from __future__ import annotations

from pathlib import Path

import msgspec

from kata.report.model import Report

PATH = Path(__file__).with_name("schema.json")


def schema() -> bytes:
    """The schema as indented UTF-8 JSON, ending in a newline."""
    made = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Report of a kata run, format 1",
        **msgspec.json.schema(Report),
    }
    return msgspec.json.format(msgspec.json.encode(made), indent=2) + b"\n"

"""The JSON Schema of a report, made from the model. `schema.json` beside this file is for users."""

from __future__ import annotations

import inspect
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
    for definition in made["$defs"].values():
        if "description" in definition:  # a docstring, which Python indents as its source from 3.13 on only
            definition["description"] = inspect.cleandoc(definition["description"])
    return msgspec.json.format(msgspec.json.encode(made), indent=2) + b"\n"

"""Kata: system-design exercises, and the harness that grades them in a sandbox."""

__version__ = "0.1.0"

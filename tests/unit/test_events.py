"""docs/events.md lists every event that a worker or the API logs, and no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.database import ROOT

LEVELS = {"debug", "info", "warning", "error", "exception"}
EVENT = re.compile(r"[a-z_]+(\.[a-z_]+)+")


def logged(package: str) -> Iterator[str]:
    """The first arguments of calls like `log.info("…")`."""
    for file in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(Path(file).read_text())):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name("log"), attr=level), args=[ast.Constant(str(event)), *_]
                ):
                    if level in LEVELS:
                        yield event


def listed() -> set[str]:
    page = (ROOT / "docs" / "events.md").read_text()
    rows = re.findall(r"^\| (`.*?`) \|", page, re.M)
    return {event for row in rows for event in re.findall(r"`([^`]+)`", row)}


def test_every_event_has_a_name_and_is_listed() -> None:
    events = {*logged("api"), *logged("worker")}
    assert len(events) > 30
    assert sorted(event for event in events if not EVENT.fullmatch(event)) == []
    assert sorted(events - listed()) == []


def test_every_event_that_is_listed_is_logged() -> None:
    source = "".join(file.read_text() for package in ("api", "worker") for file in (ROOT / package).rglob("*.py"))
    assert sorted(event for event in listed() if f'"{event}"' not in source) == []

"""The facts of a run on disk, to read and to check again: a file for each kind, a JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.chaos.facts import (
    AskedFor,
    Attempt,
    BatchMove,
    Call,
    Cap,
    ClaimMove,
    ClientMove,
    Event,
    Facts,
    GatewayFact,
    MailingMove,
    MessageMove,
    PathMove,
    ReportedReceipt,
    Request,
    Sample,
    Settings,
    StoredReceipt,
    SuppressionMove,
    Text,
)

KINDS: Mapping[str, Callable[..., Any]] = {
    "messages": MessageMove,
    "mailings": MailingMove,
    "clients": ClientMove,
    "suppressions": SuppressionMove,
    "caps": Cap,
    "texts": Text,
    "batches": BatchMove,
    "claims": ClaimMove,
    "attempts": Attempt,
    "requests": Request,
    "look_ups": AskedFor,
    "reported": ReportedReceipt,
    "stored": StoredReceipt,
    "gateways": GatewayFact,
    "paths": PathMove,
    "samples": Sample,
    "calls": Call,
    "events": Event,
}
"""By the name that they have in Facts."""


def save_facts(facts: Facts, folder: Path) -> None:
    """Writes the facts to files in `folder`, which is made if there is none."""
    folder.mkdir(exist_ok=True)
    for name in KINDS:
        _write(folder / f"{name}.jsonl", (fact._asdict() for fact in getattr(facts, name)))
    _write(folder / "run.jsonl", [{"settings": asdict(facts.settings), "snapshots": facts.snapshots}])


def load_facts(folder: Path) -> Facts:
    """The facts that are stored in `folder`."""
    (about,) = _read(folder / "run.jsonl")
    given: dict[str, Any] = {
        name: [kind(**fact) for fact in _read(folder / f"{name}.jsonl")] for name, kind in KINDS.items()
    }
    return Facts(settings=Settings(**about["settings"]), snapshots=about["snapshots"], **given)


def _write(file: Path, objects: Iterable[Mapping[str, Any]]) -> None:
    with file.open("w") as lines:
        lines.writelines(json.dumps(each, ensure_ascii=False) + "\n" for each in objects)


def _read(file: Path) -> list[dict[str, Any]]:
    with file.open() as lines:
        return [json.loads(line) for line in lines]

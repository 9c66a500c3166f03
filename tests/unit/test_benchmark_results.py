"""What the benchmarks do with their figures: ratios, tables, and the blocks of the documents."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from benchmarks import document, result
from benchmarks.__main__ import BENCHMARKS
from benchmarks.processes import cpu, family, memory
from benchmarks.result import Result, microseconds, ratio

BEFORE, AFTER = "<!-- figures of speed: written by machine -->", "<!-- end of speed -->"


@pytest.mark.parametrize(("value", "reference", "shown"), [(15.0, 5.0, "3.00×"), (1.0, 3.0, "0.33×"), (1.0, 0.0, "–")])
def test_a_ratio_is_a_multiple_of_the_reference(value: float, reference: float, shown: str) -> None:
    assert ratio(value, reference) == shown


@pytest.mark.parametrize(("seconds", "messages", "shown"), [(1.0, 1000, "1,000"), (0.5, 1_000_000, "0")])
def test_cpu_time_is_shown_by_the_message_in_microseconds(seconds: float, messages: int, shown: str) -> None:
    assert microseconds(seconds, messages) == shown


def test_a_result_is_kept_and_put_into_its_block_of_the_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(result, "FOLDER", tmp_path)
    Result(
        "speed", ("", "messages/s"), [("one", "9,000")], readme=[("speed", "9,000/s")], machine={"cores": "2"}
    ).save()

    written = document.with_figures(f"Before\n{BEFORE}\nold\n{AFTER}\nafter", document.figures)

    assert "| one | 9,000 |" in written
    assert "old" not in written
    assert written.startswith(f"Before\n{BEFORE}\n")
    assert written.endswith(f"\n{AFTER}\nafter")
    assert document.with_figures(written, document.figures) == written


def test_a_benchmark_that_was_not_run_leaves_no_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(result, "FOLDER", tmp_path)

    assert document.figures("speed") == document.NOT_YET
    assert document.summary(["speed"]) == document.NOT_YET


def test_figures_of_two_machines_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(result, "FOLDER", tmp_path)
    for name, cores in (("speed", "2"), ("memory", "2"), ("growth", "64")):
        Result(name, ("",), [], readme=[(name, "much")], machine={"cores": cores}, measured_at="1970-01-01").save()

    assert document.summary(["speed", "memory"]).endswith("\n\nMeasured on 1970-01-01. cores 2.")
    assert document.summary(["speed", "memory", "growth", "never run"]).splitlines() == [
        "| | |",
        "|---|---|",
        "| speed | much |",
        "| memory | much |",
        "| growth | much |",
        "",
        "- speed, memory: measured on 1970-01-01. cores 2.",
        "- growth: measured on 1970-01-01. cores 64.",
    ]


def test_the_documents_say_what_was_found_last() -> None:
    for path, text in document.written().items():
        assert path.read_text() == text, f"python -m benchmarks.document changes {path.name}"


def test_the_document_has_a_block_for_every_benchmark() -> None:
    assert document.names(document.DOCUMENT.read_text()) == list(BENCHMARKS)
    assert len(document.names(document.README.read_text())) == 1


def test_the_cost_of_a_process_is_what_it_has_used() -> None:
    before, until = cpu(os.getpid()), time.process_time() + 0.1
    while time.process_time() < until:
        pass

    assert cpu(os.getpid()) - before >= 0.08
    assert memory(os.getpid()) > 2**20
    assert family(os.getpid())[0] == os.getpid()

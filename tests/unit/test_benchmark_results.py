"""What the benchmarks do with their figures: ratios, tables, and the blocks of docs/performance.md."""

from __future__ import annotations

import importlib
import os
import time
from pathlib import Path

import pytest

from benchmarks import benchmark, compare
from benchmarks.__main__ import BENCHMARKS, main
from benchmarks.benchmark import BLOCK, DOCUMENT, NOT_YET, Benchmark, Result, microseconds, ratio, with_figures
from benchmarks.competitors import Peer
from benchmarks.peers import installed
from benchmarks.processes import cpu, family, memory
from shared.errors import ConfigurationError

BEFORE, AFTER = "<!-- figures of speed -->", "<!-- end of speed -->"


@pytest.mark.parametrize(("value", "reference", "shown"), [(15.0, 5.0, "3.00×"), (1.0, 3.0, "0.33×"), (1.0, 0.0, "–")])
def test_a_ratio_is_a_multiple_of_the_reference(value: float, reference: float, shown: str) -> None:
    assert ratio(value, reference) == shown


@pytest.mark.parametrize(("batch", "jobs"), [(1, 1024), (200, 6)])
def test_a_peer_with_more_requests_in_flight_has_as_many_connections_and_jobs_for_them(batch: int, jobs: int) -> None:
    peer = Peer(list, 4, batch=batch).with_concurrency(1024)

    assert (peer.size, peer.connections) == (jobs, 1024)


@pytest.mark.parametrize(("seconds", "messages", "shown"), [(1.0, 1000, "1,000"), (0.5, 1_000_000, "0")])
def test_cpu_time_is_shown_by_the_message_in_microseconds(seconds: float, messages: int, shown: str) -> None:
    assert microseconds(seconds, messages) == shown


def test_a_result_is_stored_and_put_into_its_block_of_the_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = tmp_path / "performance.md"
    document.write_text(f"Before\n{BEFORE}\nold\n{AFTER}\nafter")
    monkeypatch.setattr(benchmark, "FOLDER", tmp_path)
    monkeypatch.setattr(benchmark, "DOCUMENT", document)

    result = Result(("", "messages/s"), [("one", "9,000")], ["A note."], {"cores": "2"}, "1970-01-01", "speed")
    result.save()

    assert document.read_text() == (
        f"Before\n{BEFORE}\n|  | messages/s |\n| --- | ---: |\n| one | 9,000 |\n\nA note.\n\n"
        f"Measured on 1970-01-01. cores 2.\n{AFTER}\nafter"
    )
    assert "one       9,000" in result.as_text().splitlines()[2]


def test_a_benchmark_that_was_not_run_leaves_no_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "FOLDER", tmp_path)

    assert with_figures(f"{BEFORE}\nold\n{AFTER}") == f"{BEFORE}\n{NOT_YET}\n{AFTER}"


def test_the_document_says_what_was_found_last() -> None:
    assert DOCUMENT.read_text() == with_figures(DOCUMENT.read_text())


def test_the_document_has_a_block_for_every_benchmark() -> None:
    assert [block[2] for block in BLOCK.finditer(DOCUMENT.read_text())] == list(BENCHMARKS)


@pytest.mark.parametrize("name", [*BENCHMARKS, "compare"])
def test_every_benchmark_has_a_short_form_of_its_own_options(name: str) -> None:
    found: Benchmark = importlib.import_module(f"benchmarks.{name}").BENCHMARK

    short, usual = found._parse(["--short"]), found._parse([])

    assert found.name == name
    assert short.short
    assert any(getattr(short, option) != getattr(usual, option) for option in found.options)


def test_an_unknown_benchmark_is_refused_with_the_names_of_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["speed"]) == 2
    assert "dispatch|" in capsys.readouterr().err


def test_two_checkouts_are_compared_round_by_round() -> None:
    row = compare.compared("dispatch", [1000.0, 2000.0, 4000.0], [1000.0, 1900.0, 4400.0])

    assert row == ("dispatch", "2,000", "1,900", "1.000", "0.950 to 1.100")


@pytest.mark.parametrize(("peer", "said"), [("river", "go is missing"), ("node", "npm is missing")])
def test_a_peer_whose_program_is_missing_is_left_out_with_a_sentence(
    peer: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)

    with pytest.raises(ConfigurationError, match=said):
        installed.river() if peer == "river" else installed.node("pgboss")


def test_the_cost_of_a_process_is_what_it_has_used() -> None:
    before, until = cpu(os.getpid()), time.process_time() + 0.1
    while time.process_time() < until:
        pass

    assert cpu(os.getpid()) - before >= 0.08
    assert memory(os.getpid()) > 2**20
    assert family(os.getpid())[0] == os.getpid()

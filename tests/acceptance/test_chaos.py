"""Chaos runs with random faults, and short scenarios, in all of which every invariant holds.

What workers can violate, mutants violate (test_chaos_mutants.py); the API's promises are broken here.

`make test` runs one of the runs, and `make chaos-selfcheck` all.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.chaos import report
from tests.chaos.checker import check
from tests.chaos.doubts import doubts
from tests.chaos.facts import Call, Facts, MailingMove, Text, Violation
from tests.chaos.facts_files import load_facts, save_facts
from tests.chaos.failover import SHARE, run_failover
from tests.chaos.message_history import Ledgers
from tests.chaos.parallel import ParallelRunner
from tests.chaos.run import run
from tests.chaos.scenarios import SCENARIOS
from tests.conftest import CopyDataFolder


class Run(NamedTuple):
    seed: int
    rate: float = 0.0


RUNS = [
    pytest.param(Run(26), id="a fixed seed"),
    pytest.param(Run(secrets.randbelow(2**31)), id="a random seed", marks=pytest.mark.chaos),
    pytest.param(Run(secrets.randbelow(2**31), rate=80.0), id="a random seed and a limit", marks=pytest.mark.chaos),
]
SECONDS, WORKERS = 6.0, 3


SLOW = ("failover", "gateway lost", "account refused", "receipts", "suppressions", "local window closes", "caps")
CASES = [
    pytest.param(scenario, marks=pytest.mark.chaos if scenario in SLOW else (), id=scenario) for scenario in SCENARIOS
]
ALWAYS = ("mixed answers", "look-ups")
"""Scenarios of which tests ask more than whether anything is violated."""


@pytest.fixture(scope="module")
def runner(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, copy_migrated_folder: CopyDataFolder
) -> Iterator[ParallelRunner]:
    """Runs the scenarios that have been selected."""
    items = [item for item in request.session.items if isinstance(item, pytest.Function) and item.path == request.path]
    selected = [item.callspec.params.get("scenario") for item in items if hasattr(item, "callspec")]
    jobs = [(scenario, "unmodified") for scenario in SCENARIOS if scenario in (*selected, *ALWAYS)]
    with ParallelRunner(tmp_path_factory.mktemp("environments"), jobs, copy_migrated_folder) as runner:
        yield runner


@pytest.mark.usefixtures("runner")  # they run meanwhile
@pytest.mark.parametrize("given", RUNS)
def test_whatever_happens_nothing_is_lost_and_every_repeat_is_explained(
    given: Run, tmp_path: Path, copy_migrated_folder: CopyDataFolder
) -> None:
    facts = run(
        tmp_path, seed=given.seed, seconds=SECONDS, workers=WORKERS, rate=given.rate, copy_migrated=copy_migrated_folder
    )
    violations = check(facts)
    again = f"make chaos SEED={given.seed} RATE={given.rate:g} SECONDS={SECONDS:g} WORKERS={WORKERS}"
    assert not violations, _report(facts, violations, tmp_path, again)
    assert facts.mailings
    assert facts.requests
    assert facts.events
    assert facts.snapshots


@pytest.mark.parametrize("scenario", CASES)
def test_the_unmodified_worker_violates_nothing(scenario: str, runner: ParallelRunner, tmp_path: Path) -> None:
    facts, violations = runner.result((scenario, "unmodified"))
    assert not violations, _report(facts, violations, tmp_path, "make chaos-selfcheck")
    assert facts.requests
    assert facts.snapshots


def test_doubts_are_settled_at_a_gateway_that_can_be_asked(runner: ParallelRunner) -> None:
    facts, _ = runner.result(("look-ups", "unmodified"))
    found = doubts(Ledgers(facts))
    assert found.settled
    assert found.share >= 0.9, found


@pytest.mark.chaos
def test_others_take_the_messages_of_a_gateway_that_dies_within_a_minute(tmp_path: Path) -> None:
    found = run_failover(tmp_path)
    assert not found.violations
    assert found.others
    assert found.share >= SHARE, found


def test_the_facts_of_a_run_can_be_stored_and_checked_again(runner: ParallelRunner, tmp_path: Path) -> None:
    facts, _ = runner.result(("mixed answers", "unmodified"))
    save_facts(facts, tmp_path)
    assert load_facts(tmp_path) == replace(
        facts, messages=list(facts.messages), samples=list(facts.samples), calls=[], events=list(facts.events)
    )


def test_an_acknowledged_request_without_its_effect_is_caught() -> None:
    running = MailingMove(1, "tag", 0.0, 9.0, "running", "resend", 1, 0, True, True, False, False, True, 1.0, 1.0, "")
    paused = Call("POST", "/v1/mailing/1/pause/", None, 2.0, 3.0, 200, {"id": 1})
    violations = check(Facts(mailings=[running], calls=[paused]))
    assert "acknowledged" in {violation.invariant for violation in violations}


def test_a_creation_that_happens_twice_is_caught() -> None:
    texts = [Text(1, 1, "the same"), Text(2, 1, "the same")]
    unanswered = Call("POST", "/v1/mailing/create/", {"text": "the same"}, 2.0, 3.0, None, None, "a key")
    violations = check(Facts(texts=texts, calls=[unanswered]))
    assert {violation.invariant for violation in violations} == {"idempotent"}


def _report(facts: Facts, violations: list[Violation], folder: Path, again: str) -> str:
    save_facts(facts, folder / "facts")
    said = report.as_text(report.figures(facts, violations), facts, violations, again)
    return f"{said}\n  check the facts again: python -m tests.chaos --check {folder}"

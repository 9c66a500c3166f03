"""The rig: runs of random trouble, and short scenes, in all of which every invariant holds.

What workers can violate, mutants violate (test_rig_mutants.py); the API's promises are broken here.

`make test` runs one of the runs, and `make rig` all.
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
from tests.chaos.facts import Call, Facts, MailingMove, Violation
from tests.chaos.kept import keep, recall
from tests.chaos.lanes import Lanes
from tests.chaos.run import run
from tests.chaos.scenes import SCENES


class Run(NamedTuple):
    seed: int
    rate: float = 0.0


RUNS = [
    pytest.param(Run(1), id="a fixed seed"),
    pytest.param(Run(secrets.randbelow(2**31)), id="a random seed", marks=pytest.mark.rig),
    pytest.param(Run(secrets.randbelow(2**31), rate=80.0), id="a random seed and a limit", marks=pytest.mark.rig),
]
SECONDS, WORKERS = 12.0, 3


@pytest.fixture(scope="module")
def lanes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lanes]:
    with Lanes(tmp_path_factory.mktemp("stages"), [(scene, "sound") for scene in SCENES]) as lanes:
        yield lanes


@pytest.mark.usefixtures("lanes")  # they play meanwhile
@pytest.mark.parametrize("given", RUNS)
def test_whatever_happens_nothing_is_lost_and_every_repeat_is_explained(given: Run, tmp_path: Path) -> None:
    facts = run(tmp_path, seed=given.seed, rate=given.rate, seconds=SECONDS, workers=WORKERS)
    violations = check(facts)
    again = f"make torture SEED={given.seed} RATE={given.rate:g} SECONDS={SECONDS:g} WORKERS={WORKERS}"
    assert not violations, _told(facts, violations, tmp_path, again)
    assert facts.requests
    assert facts.events
    assert facts.looks


@pytest.mark.parametrize("scene", SCENES)
def test_the_worker_as_it_is_violates_nothing_in_a_scene(scene: str, lanes: Lanes, tmp_path: Path) -> None:
    facts, violations = lanes.verdict((scene, "sound"))
    assert not violations, _told(facts, violations, tmp_path, "make rig")
    assert facts.requests
    assert facts.looks


def test_the_facts_of_a_run_can_be_kept_and_judged_again(lanes: Lanes, tmp_path: Path) -> None:
    facts, _ = lanes.verdict(("answers", "sound"))
    keep(facts, tmp_path)
    assert recall(tmp_path) == replace(
        facts, messages=list(facts.messages), samples=list(facts.samples), calls=[], events=list(facts.events)
    )


def test_a_promise_of_the_api_that_it_does_not_keep_is_caught() -> None:
    running = MailingMove(1, "tag", 0.0, 9.0, "running", "resend", 1, 0, True, True, False, False, True, 1.0, 1.0, "")
    paused = Call("POST", "/v1/mailing/1/pause/", None, 2.0, 3.0, 200, {"id": 1})
    violations = check(Facts(mailings=[running], calls=[paused]))
    assert "acknowledged" in {violation.invariant for violation in violations}


def test_a_creation_that_happens_twice_is_caught() -> None:
    texts = {(1, 1): "the same", (2, 1): "the same"}
    unanswered = Call("POST", "/v1/mailing/create/", {"text": "the same"}, 2.0, 3.0, None, None, "a key")
    violations = check(Facts(texts=texts, calls=[unanswered]))
    assert {violation.invariant for violation in violations} == {"once"}


def _told(facts: Facts, violations: list[Violation], folder: Path, again: str) -> str:
    keep(facts, folder / "facts")
    said = report.tell(report.figures(facts, violations), facts, violations, again)
    return f"{said}\n  judge the facts again: python -m tests.chaos --judge {folder}"

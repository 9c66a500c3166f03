"""The rig: runs of random trouble in which every invariant holds, and mutants of the worker, each of which is caught.

The scenes are played by several stages at once: most of a scene is waiting.
"""

from __future__ import annotations

import contextlib
import queue
import secrets
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import cast

import pytest

from shared.errors import GonetsError
from tests.rig import report
from tests.rig.checker import check
from tests.rig.facts import Facts, Violation
from tests.rig.mutants import MUTANTS
from tests.rig.run import run
from tests.rig.scenes import SCENES, play
from tests.rig.stage import Stage

pytestmark = pytest.mark.rig

LANES = 2
CHANCES = 3
PATIENCE = 300.0
"""Seconds for a scene, and all that come before it."""

Verdict = tuple[Facts, list[Violation]]
Part = tuple[str, str]
"""The name of a scene, and that of the mutant that plays it."""

SOUND = [(scene, "sound") for scene in SCENES]
MUTATED = [(mutant.scene, name) for name, mutant in MUTANTS.items() if mutant.scene]


@pytest.fixture(scope="module")
def verdicts(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[Part, Future[Verdict]]]:
    """What became of each scene; of those only that somebody has asked for."""
    items = [item for item in request.session.items if isinstance(item, pytest.Function) and item.path == request.path]
    asked: list[Part] = [cast(Part, item.callspec.params["part"]) for item in items if "part" in item.callspec.params]
    futures: dict[Part, Future[Verdict]] = {part: Future() for part in asked}
    waiting: queue.SimpleQueue[Part] = queue.SimpleQueue()
    for part in futures:
        waiting.put(part)
    lanes = [
        # A stage's processes end with the thread that has started them, so each lane keeps to one.
        threading.Thread(target=_play_on, args=(tmp_path_factory.mktemp("stage"), waiting, futures))
        for _ in range(LANES)
    ]
    for lane in lanes:
        lane.start()
    yield futures
    while not waiting.empty():
        waiting.get()
    for lane in lanes:
        lane.join()


@pytest.mark.usefixtures("verdicts")  # which are found meanwhile
@pytest.mark.parametrize("seed", [1, secrets.randbelow(2**31)], ids=("a fixed seed", "a random seed"))
def test_whatever_happens_nothing_is_lost_and_every_repeat_is_explained(seed: int, tmp_path: Path) -> None:
    print(f"seed {seed}")
    facts = run(tmp_path, seed=seed, seconds=12.0, workers=3)
    violations = check(facts)
    figures = report.figures(facts, violations)
    assert not violations, report.tell(figures, facts, violations, f"make torture SEED={seed} SECONDS=12 WORKERS=3")
    assert figures["messages"]
    assert facts.events


@pytest.mark.parametrize("part", MUTATED, ids=lambda part: part[1])
def test_a_mutant_is_caught(part: Part, verdicts: dict[Part, Future[Verdict]]) -> None:
    _, violations = verdicts[part].result(PATIENCE)
    assert MUTANTS[part[1]].violates in {violation.invariant for violation in violations}


@pytest.mark.parametrize("part", SOUND, ids=lambda part: part[0])
def test_the_worker_as_it_is_violates_nothing_in_the_same_scene(
    part: Part, verdicts: dict[Part, Future[Verdict]]
) -> None:
    facts, violations = verdicts[part].result(PATIENCE)
    assert not violations, report.tell({}, facts, violations, "")
    assert facts.requests
    assert facts.looks


def _play_on(folder: Path, waiting: queue.SimpleQueue[Part], futures: dict[Part, Future[Verdict]]) -> None:
    with contextlib.suppress(queue.Empty):
        try:
            with Stage(folder, workers=2) as stage:
                while True:
                    _play(stage, waiting.get_nowait(), futures)
        except GonetsError as error:  # there is no stage: whoever waits for a scene is told
            while True:
                futures[waiting.get_nowait()].set_exception(error)


def _play(stage: Stage, part: Part, futures: dict[Part, Future[Verdict]]) -> None:
    try:
        futures[part].set_result(_verdict(stage, *part))
    except BaseException as error:  # noqa: BLE001  it is for the test that asks
        futures[part].set_exception(error)


def _verdict(stage: Stage, scene: str, mutant: str) -> Verdict:
    """What the checker says; a mutant is given another chance to do harm, should a busy machine have prevented it."""
    for _ in range(CHANCES):
        facts, violations = play(stage, scene, mutant)
        if mutant == "sound" or MUTANTS[mutant].violates in {violation.invariant for violation in violations}:
            break
    return facts, violations

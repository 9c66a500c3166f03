"""Scenes that are played by several stages at once: most of a scene is waiting."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Iterable
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Self

from shared.errors import GonetsError
from tests.chaos.facts import Facts, Violation
from tests.chaos.mutants import MUTANTS
from tests.chaos.scenes import play
from tests.chaos.stage import Stage

LANES = 2
SOUND_PATIENCE = 30.0
PATIENCES = 2.5, 8.0, 25.0
"""Seconds after which a scene ends, whether its mailings have or not: some mutants never end."""

PATIENCE = 300.0
"""Seconds for a scene, and all that come before it."""

Transition = tuple[Facts, list[Violation]]
Part = tuple[str, str]
"""The name of a scene, and that of the mutant that plays it."""


class Lanes:
    """Plays scenes in the background; as a context manager, it plays no more of them at the end."""

    def __init__(self, folder: Path, parts: Iterable[Part]) -> None:
        """What the stages write goes to folders in `folder`."""
        self._verdicts: dict[Part, Future[Transition]] = {part: Future() for part in parts}
        self._waiting: queue.SimpleQueue[Part] = queue.SimpleQueue()
        for part in self._verdicts:
            self._waiting.put(part)
        # A stage's processes end with the thread that has started them, so each lane keeps to one.
        self._lanes = [threading.Thread(target=self._play_on, args=(folder / f"lane-{n}",)) for n in range(LANES)]

    def verdict(self, part: Part) -> Transition:
        """What became of a scene, when it has been played. Raises what was raised there."""
        return self._verdicts[part].result(PATIENCE)

    def __enter__(self) -> Self:
        for lane in self._lanes:
            lane.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while not self._waiting.empty():
            self._waiting.get()
        for lane in self._lanes:
            lane.join()

    def _play_on(self, folder: Path) -> None:
        folder.mkdir()
        with contextlib.suppress(queue.Empty):
            try:
                with Stage(folder, workers=2) as stage:
                    while True:
                        self._play(stage, self._waiting.get_nowait())
            except GonetsError as error:  # there is no stage: whoever waits for a scene is told
                while True:
                    self._verdicts[self._waiting.get_nowait()].set_exception(error)

    def _play(self, stage: Stage, part: Part) -> None:
        try:
            self._verdicts[part].set_result(_verdict(stage, *part))
        except BaseException as error:  # noqa: BLE001  it is for the test that asks
            self._verdicts[part].set_exception(error)


def _verdict(stage: Stage, scene: str, mutant: str) -> Transition:
    """What the checker says; should a busy machine have prevented what is to happen, it has another chance, with more
    time.
    """
    for patience in PATIENCES:
        facts, violations = play(stage, scene, mutant, SOUND_PATIENCE if mutant == "sound" else patience)
        found = {violation.invariant for violation in violations}
        if (found or facts.requests) if mutant == "sound" else MUTANTS[mutant].violates in found:
            break
    return facts, violations

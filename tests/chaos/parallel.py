"""Scenarios in several environments at once: most of a scenario is waiting."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Self

from shared.errors import GonetsError
from tests.chaos.environment import Environment
from tests.chaos.facts import Facts, Violation
from tests.chaos.mutants import MUTANTS
from tests.chaos.scenarios import run_scenario

ENVIRONMENTS = 2
UNMODIFIED_TIMEOUT = 30.0
TIMEOUTS = 2.5, 8.0, 25.0
"""Seconds after which a scenario ends, whether its mailings have or not: some mutants never end."""

RESULT_TIMEOUT = 900.0
"""Seconds for a scenario, and all that come before it."""

Checked = tuple[Facts, list[Violation]]
Job = tuple[str, str]
"""The name of a scenario, and that of the mutant that the workers run."""


class ParallelRunner:
    """Runs scenarios in the background while it is entered; those that have not begun by then are left out."""

    def __init__(self, folder: Path, jobs: Iterable[Job], copy_migrated: Callable[[Path], object]) -> None:
        """What the environments write goes to folders in `folder`; `copy_migrated` makes their databases."""
        self._copy_migrated = copy_migrated
        self._results: dict[Job, Future[Checked]] = {job: Future() for job in jobs}
        self._waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
        for job in self._results:
            self._waiting.put(job)
        # An environment's processes end with the thread that has started them, so each has a thread of its own.
        self._threads = [
            threading.Thread(target=self._run_jobs, args=(folder / f"environment-{n}",)) for n in range(ENVIRONMENTS)
        ]

    def result(self, job: Job) -> Checked:
        """The facts and the violations of a scenario, once it has run. Raises what was raised there."""
        return self._results[job].result(RESULT_TIMEOUT)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while not self._waiting.empty():
            self._waiting.get()
        for thread in self._threads:
            thread.join()

    def _run_jobs(self, folder: Path) -> None:
        folder.mkdir()
        with contextlib.suppress(queue.Empty):
            try:
                with Environment(folder, workers=2, copy_migrated=self._copy_migrated) as environment:
                    while True:
                        self._run(environment, self._waiting.get_nowait())
            except GonetsError as error:  # there is no environment: those that wait for a result are told
                while True:
                    self._results[self._waiting.get_nowait()].set_exception(error)

    def _run(self, environment: Environment, job: Job) -> None:
        try:
            self._results[job].set_result(_run_until_found(environment, *job))
        except BaseException as error:  # noqa: BLE001  it is for the test that asks
            self._results[job].set_exception(error)


def _run_until_found(environment: Environment, scenario: str, mutant: str) -> Checked:
    """What the checker says. On a busy machine the fault may not have had its effect: then the scenario runs again, for
    longer.
    """
    for timeout in TIMEOUTS:
        facts, violations = run_scenario(
            environment, scenario, mutant, UNMODIFIED_TIMEOUT if mutant == "unmodified" else timeout
        )
        found = {violation.invariant for violation in violations}
        if (found or facts.requests) if mutant == "unmodified" else MUTANTS[mutant].violates in found:
            break
    return facts, violations

"""A checker that cannot fail proves nothing: workers with a fault, each of which it must catch.

`make test` runs a few, which show that facts of each kind reach the checker, and `make chaos-selfcheck` all. That the
checker finds a violation of each invariant in such facts is a unit test.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pytest

from tests.chaos.mutants import MUTANTS
from tests.chaos.parallel import Job, ParallelRunner
from tests.conftest import CopyDataFolder

QUICK = (
    "lease-check-dropped",  # the rows' history
    "body-changed-on-repeat",  # the gateway's ledger
    "lost-claim-forgotten",  # attempts, and what killed the worker
    "window-forgotten",  # mailings and the database's clock
    "local-window-at-the-launch-only",  # the clients' time zones
)
"""Those of `make test`."""

JOBS = [
    pytest.param(
        (mutant.scenario, name),
        id=name,
        marks=[] if name in QUICK else pytest.mark.chaos,
    )
    for name, mutant in MUTANTS.items()
    if mutant.scenario
]


@pytest.fixture(scope="module")
def runner(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, copy_migrated_folder: CopyDataFolder
) -> Iterator[ParallelRunner]:
    """Runs the mutants that have been selected."""
    items = [item for item in request.session.items if isinstance(item, pytest.Function) and item.path == request.path]
    asked = [cast(Job, item.callspec.params["job"]) for item in items]
    with ParallelRunner(tmp_path_factory.mktemp("environments"), asked, copy_migrated_folder) as runner:
        yield runner


@pytest.mark.parametrize("job", JOBS)
def test_a_mutant_is_caught(job: Job, runner: ParallelRunner) -> None:
    _, violations = runner.result(job)
    assert MUTANTS[job[1]].violates in {violation.invariant for violation in violations}

"""A checker that cannot fail proves nothing: workers with a fault, each of which it must catch.

`make test` runs one mutant for each scenario, and `make chaos-selfcheck` all. That the checker finds a violation of
each invariant is also a unit test.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pytest

from tests.chaos.mutants import DEFAULT_MUTANTS, MUTANTS
from tests.chaos.parallel import Job, ParallelRunner

FIRST_OF_SCENARIO = {MUTANTS[name].scenario: name for name in reversed(DEFAULT_MUTANTS)}

JOBS = [
    pytest.param(
        (mutant.scenario, name),
        id=name,
        marks=[] if FIRST_OF_SCENARIO.get(mutant.scenario) == name else pytest.mark.chaos,
    )
    for name, mutant in MUTANTS.items()
    if mutant.scenario
]


@pytest.fixture(scope="module")
def runner(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ParallelRunner]:
    """Runs the mutants that have been selected."""
    items = [item for item in request.session.items if isinstance(item, pytest.Function) and item.path == request.path]
    asked = [cast(Job, item.callspec.params["job"]) for item in items]
    with ParallelRunner(tmp_path_factory.mktemp("environments"), asked) as runner:
        yield runner


@pytest.mark.parametrize("job", JOBS)
def test_a_mutant_is_caught(job: Job, runner: ParallelRunner) -> None:
    _, violations = runner.result(job)
    assert MUTANTS[job[1]].violates in {violation.invariant for violation in violations}

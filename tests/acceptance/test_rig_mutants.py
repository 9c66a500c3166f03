"""A checker that cannot fail proves nothing: workers with a fault, each of which it must catch.

`make test` runs one mutant for each invariant, and `make rig` all.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pytest

from tests.chaos.lanes import Lanes, Part
from tests.chaos.mutants import EVERYDAY, MUTANTS

PARTS = [
    pytest.param((mutant.scene, name), id=name, marks=[] if name in EVERYDAY else pytest.mark.rig)
    for name, mutant in MUTANTS.items()
    if mutant.scene
]


@pytest.fixture(scope="module")
def lanes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lanes]:
    """They play what somebody has asked for."""
    items = [item for item in request.session.items if isinstance(item, pytest.Function) and item.path == request.path]
    asked = [cast(Part, item.callspec.params["part"]) for item in items]
    with Lanes(tmp_path_factory.mktemp("stages"), asked) as lanes:
        yield lanes


@pytest.mark.parametrize("part", PARTS)
def test_a_mutant_is_caught(part: Part, lanes: Lanes) -> None:
    _, violations = lanes.verdict(part)
    assert MUTANTS[part[1]].violates in {violation.invariant for violation in violations}

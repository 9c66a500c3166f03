"""Variations of a test: a few are part of make test, and the others of make test-long."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import pytest
from _pytest.mark import ParameterSet

Variation = TypeVar("Variation")


def few_of(variations: Iterable[Variation], *few: Variation) -> list[ParameterSet]:
    """All variations as parameters; those that are not among the few are marked as long.

    Raises ValueError for one of the few that is no variation.
    """
    every = list(variations)
    if unknown := [one for one in few if one not in every]:
        raise ValueError(f"no variation: {unknown}")
    return [_parameters(one, () if one in few else (pytest.mark.long,)) for one in every]


def _parameters(variation: object, marks: tuple[pytest.MarkDecorator, ...]) -> ParameterSet:
    values = variation if isinstance(variation, tuple) else (variation,)
    return pytest.param(*values, marks=marks, id="-".join(str(value) for value in values))

"""How long the supervisor waits before it starts again what died."""

from __future__ import annotations

import pytest

from sandbox.supervisor import GOOD_LIFE, LONGEST_DELAY, SHORTEST_DELAY, next_delay


@pytest.mark.parametrize(
    ("delay", "lived", "expected"),
    [
        pytest.param(0, 0, SHORTEST_DELAY, id="the first death"),
        pytest.param(1, 0, 2, id="another soon after"),
        pytest.param(8, GOOD_LIFE - 1, 16, id="and another"),
        pytest.param(16, 5, LONGEST_DELAY, id="never longer than the longest"),
        pytest.param(LONGEST_DELAY, 5, LONGEST_DELAY, id="however often"),
        pytest.param(LONGEST_DELAY, GOOD_LIFE, SHORTEST_DELAY, id="a long life forgets the old trouble"),
    ],
)
def test_the_delay_doubles_until_a_child_has_lived_well(delay: float, lived: float, expected: float) -> None:
    assert next_delay(delay, lived) == expected

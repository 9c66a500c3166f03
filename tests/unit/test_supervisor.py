"""How long the supervisor waits before it restarts a process."""

from __future__ import annotations

import pytest

from sandbox.supervisor import MAX_RESTART_DELAY, MIN_RESTART_DELAY, STABLE_SECONDS, next_delay


@pytest.mark.parametrize(
    ("delay", "lived", "expected"),
    [
        pytest.param(0, 0, MIN_RESTART_DELAY, id="the first death"),
        pytest.param(1, 0, 2, id="another soon after"),
        pytest.param(8, STABLE_SECONDS - 1, 16, id="and another"),
        pytest.param(16, 5, MAX_RESTART_DELAY, id="never longer than the longest"),
        pytest.param(MAX_RESTART_DELAY, 5, MAX_RESTART_DELAY, id="however often"),
        pytest.param(MAX_RESTART_DELAY, STABLE_SECONDS, MIN_RESTART_DELAY, id="a long run forgets earlier failures"),
    ],
)
def test_the_delay_doubles_until_a_child_has_run_for_long_enough(delay: float, lived: float, expected: float) -> None:
    assert next_delay(delay, lived) == expected

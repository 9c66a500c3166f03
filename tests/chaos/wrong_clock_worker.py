"""`python -m tests.chaos.wrong_clock_worker NAME`: the same as tests.chaos.mutants, with a wall clock that is
CLOCK_ERROR seconds fast. To be started cold: libraries that are imported already keep the right time.
"""

from __future__ import annotations

import sys

import tests.wrong_clock_worker  # noqa: F401  before anything else

if __name__ == "__main__":
    from tests.chaos.mutants import main

    sys.exit(main())

"""Programs whose wall clock shows another time, so that tests can have a change of offset when they need one."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.required_tools import CC, need

SOURCE = Path(__file__).with_suffix(".c")


def shifted_clock(folder: Path, seconds: int) -> Mapping[str, str]:
    """The environment of a program whose wall clock is so many seconds fast. The library is compiled into `folder`,
    which every user must be able to read: PostgreSQL does not run as root. Skips the test if there is no compiler.
    """
    library = folder / "shifted_clock.so"
    subprocess.run([need(CC), "-shared", "-fPIC", "-O1", "-o", library, SOURCE], check=True)
    library.chmod(0o755)
    return {"LD_PRELOAD": str(library), "CLOCK_SHIFT": str(seconds)}

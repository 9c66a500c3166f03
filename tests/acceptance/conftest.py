"""What acceptance tests start, stopped whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.acceptance.launcher import Launcher


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Callable[..., Launcher]]:
    launched: list[Launcher] = []

    def launch(**environment: str) -> Launcher:
        launcher = Launcher(tmp_path / "data", tmp_path / f"output-{len(launched)}", **environment)
        launched.append(launcher)
        return launcher

    yield launch
    for launcher in launched:
        launcher.process.kill()
        launcher.process.wait()

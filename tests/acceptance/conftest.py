"""What acceptance tests start, stopped whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.simulated_gateway.client import SandboxGateway
from tests.acceptance.sandbox_launcher import Launch, launching
from tests.acceptance.worker_fleet import Fleet
from tests.waiting import eventually


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    with launching(tmp_path) as launch:
        yield launch


@pytest.fixture(scope="module")
def one_gateway() -> Iterator[SandboxGateway]:
    with SandboxGateway.start() as gateway:
        yield gateway


@pytest.fixture
def gateway(one_gateway: SandboxGateway) -> SandboxGateway:
    """A simulated gateway that behaves and has seen nothing."""
    one_gateway.wait_until_up()
    eventually(lambda: one_gateway.summary().in_flight == 0)
    one_gateway.clear()
    return one_gateway


@pytest.fixture
def fleet(tmp_path: Path, clean_database: str, gateway: SandboxGateway) -> Iterator[Fleet]:
    """Worker processes on the clean database and that gateway."""
    with Fleet(tmp_path, clean_database, gateway.url, gateway.token) as workers:
        yield workers

"""One simulated gateway for the tests of its contracts."""

from collections.abc import Iterator

import pytest

from sandbox.simulated_gateway.client import SandboxGateway
from tests.integration.sandbox.requests_by_hand import TOKEN


@pytest.fixture(scope="module")
def running() -> Iterator[SandboxGateway]:
    with SandboxGateway.start(token=TOKEN) as gateway:
        yield gateway


@pytest.fixture
def gateway(running: SandboxGateway) -> SandboxGateway:
    running.clear()
    return running

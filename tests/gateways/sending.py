"""Sending single messages as a worker does: by an adapter, the client of gateways and the sender for HTTP."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

from shared.gateways.base import SubmitResult
from shared.gateways.registry import provider_named
from tests.integration.test_gateway_client import SingleSender
from tests.unit.gateways.adapter_cases import Message, account_with
from worker.lanes.gateway_client import GatewayClient


@contextlib.contextmanager
def sender(url: str, provider: str, name: str = "Shop", receipt_url: str = "", **fields: str) -> Iterator[SingleSender]:
    """Sends to a gateway at `url`, through an account with these fields."""
    adapter = provider_named(provider).make(replace(account_with(provider, name, **fields), receipt_url=receipt_url))
    client = GatewayClient(url, adapter, connect_timeout=10, timeout=30, retry_after_cap=900)
    gateway = SingleSender(client, 1)
    try:
        yield gateway
    finally:
        gateway.close()


def send(
    url: str, provider: str, message: Message, name: str = "Shop", receipt_url: str = "", **fields: str
) -> SubmitResult:
    """The result of one message."""
    with sender(url, provider, name, receipt_url, **fields) as gateway:
        return gateway.send(*message)

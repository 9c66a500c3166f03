"""The gateways whose providers may call, while they are read and changed at the same time."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

from cryptography.fernet import Fernet

from api.callbacks.callable_gateways import CallableGateways
from shared.credentials import CredentialCipher
from shared.gateways.callback_addresses import RECEIPTS


class SlowReads:
    """Reads rows as they are when the read begins, and gives them away when it is told to."""

    def __init__(self) -> None:
        self.token = "old"
        self.may_end = asyncio.Event()
        self.began = asyncio.Event()

    async def run(self, _work: Any) -> tuple[list[Any], int]:
        """Stands for GroupCommit.run."""
        row = SimpleNamespace(id=1, name="jasmin", provider="jasmin", revision=1, callback_token=self.token)
        account: dict[str, Any] = {"address": "http://jasmin:1401", "sender": "Gonets", "options": {}}
        self.began.set()
        await self.may_end.wait()
        return [SimpleNamespace(**vars(row), **account, credentials=None)], 0


async def _tokens_found() -> list[bool]:
    reads = SlowReads()
    cipher = CredentialCipher([Fernet.generate_key().decode()])
    gateways = CallableGateways(reads, cipher, "https://sms.example.com")  # type: ignore[arg-type]
    finding = asyncio.ensure_future(gateways.find(RECEIPTS, "jasmin", "old"))
    await reads.began.wait()
    reads.token = "new"
    gateways.forget()
    reads.may_end.set()
    return [
        await finding is not None,
        await gateways.find(RECEIPTS, "jasmin", "old") is not None,
        await gateways.find(RECEIPTS, "jasmin", "new") is not None,
    ]


def test_a_token_that_is_replaced_while_the_gateways_are_read_stops_at_once() -> None:
    # In a thread of its own: in this one the browser's tests may have left an event loop.
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(lambda: asyncio.run(_tokens_found())).result() == [False, False, True]

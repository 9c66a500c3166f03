"""The specification's contract with a question about deliveries, as no gateway has it: `GET /status?ids=1,2`."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import replace

from shared.domain.delivery import ReceiptState
from shared.gateways.base import Account, Capabilities, Provider, Receipt, Response, SentMessage, Submission
from shared.gateways.callbacks import time_of
from shared.gateways.gonets import GonetsAdapter

HEADERS = {"Authorization": "Bearer the right one"}


class PollingAdapter(GonetsAdapter):
    """An adapter that can ask for deliveries."""

    capabilities = Capabilities(reference=True, polls=True)
    poll_limit = 2

    def prepare_poll(self, messages: Collection[SentMessage]) -> Submission | None:
        ids = [message.provider_message_id for message in messages if message.provider_message_id]
        return Submission("GET", f"/status?ids={','.join(ids)}", HEADERS, b"", ("the right one",)) if ids else None

    def read_poll(self, response: Response) -> list[Receipt]:
        return [
            Receipt(state=ReceiptState(one["state"]), provider_message_id=one["id"], at=time_of(one.get("at")))
            for one in json.loads(response.body)
        ]


def _make(account: Account) -> PollingAdapter:
    return PollingAdapter(replace(account, credentials={"token": "the right one"}))


PROVIDER = Provider(
    name="polling",
    title="Polling",
    make=_make,
    capabilities=PollingAdapter.capabilities,
    sender_required=False,
)

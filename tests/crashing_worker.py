"""`python -m tests.crashing_worker`: a worker that dies when it gets to certain phone numbers.

CRASH_PHONES names them, separated by commas (`any` is all), and CRASH_MOMENT says when: `before the send`, or
`after the answer`, which is before it is recorded. It dies by SIGKILL, like one that the system is out of memory for:
nothing is put away.
"""

from __future__ import annotations

import os
import signal
import sys

import worker.__main__
from shared.gateways.base import OutgoingMessage, SubmitResult
from worker.lanes import gateway_clients
from worker.lanes.gateway_client import Exchange, GatewayClient, Prepared

PHONES = os.environ["CRASH_PHONES"].split(",")
MOMENT = os.environ["CRASH_MOMENT"]


class CrashingClient(GatewayClient):
    """A client during whose use the worker is killed."""

    def prepare(self, message: OutgoingMessage) -> Prepared | SubmitResult:
        if is_crash_phone(str(message.phone_number)) and MOMENT == "before the send":
            os.kill(os.getpid(), signal.SIGKILL)
        return super().prepare(message)

    def read(self, exchange: Exchange, message: OutgoingMessage, secrets: tuple[str, ...]) -> SubmitResult:
        if is_crash_phone(str(message.phone_number)) and MOMENT == "after the answer":
            os.kill(os.getpid(), signal.SIGKILL)
        return super().read(exchange, message, secrets)


def is_crash_phone(phone: str) -> bool:
    return "any" in PHONES or phone in PHONES


if __name__ == "__main__":
    vars(gateway_clients)["GatewayClient"] = CrashingClient
    sys.exit(worker.__main__.main())

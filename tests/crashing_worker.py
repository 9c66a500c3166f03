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
from worker.answers import SubmitResult
from worker.lanes.gateway_client import Exchange, Gateway, Prepared

PHONES = os.environ["CRASH_PHONES"].split(",")
MOMENT = os.environ["CRASH_MOMENT"]


class SuicidalGateway(Gateway):
    """A gateway at whose door the worker dies."""

    def prepare(self, message_id: int, phone_number: int, text: str) -> Prepared | SubmitResult:
        if deadly(str(phone_number)) and MOMENT == "before the send":
            os.kill(os.getpid(), signal.SIGKILL)
        return super().prepare(message_id, phone_number, text)

    def read(self, exchange: Exchange, hide: tuple[str, ...]) -> SubmitResult:
        if any(deadly(secret) for secret in hide) and MOMENT == "after the answer":
            os.kill(os.getpid(), signal.SIGKILL)
        return super().read(exchange, hide)


def deadly(phone: str) -> bool:
    return "any" in PHONES or phone in PHONES


if __name__ == "__main__":
    vars(worker.__main__)["Gateway"] = SuicidalGateway
    sys.exit(worker.__main__.main())

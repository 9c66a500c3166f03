"""Delivery receipts of SMPP 3.4, as a gateway between an SMSC and us passes them on.

Sources: SMPP 3.4, appendix B (the text of a receipt: `id:… sub:… stat:UNDELIV err:011 text:…`) and 5.2.28 (the states).
Spellings that differ from it, and states that only some SMSCs know, are those of pruiz/kannel:gw/smsc/smsc_smpp.c and
jookies/jasmin#447. The meaning of `err` differs by SMSC, so it is kept with the state and not interpreted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from shared.gateways.callbacks import Meaning

STATES: Mapping[str, Meaning] = {
    "DELIVRD": Meaning.DELIVERED,
    "DELIVERED": Meaning.DELIVERED,
    "EXPIRED": Meaning.EXPIRED,
    "DELETED": Meaning.OTHER,
    "UNDELIV": Meaning.OTHER,
    "UNDELIVERABLE": Meaning.OTHER,
    "FAILED": Meaning.OTHER,
    "REJECTD": Meaning.REJECTED,
    "REJECTED": Meaning.REJECTED,
    "UNKNOWN": Meaning.NOT_KNOWN,
    **dict.fromkeys(
        ("ACCEPTD", "ACCEPTED", "ENROUTE", "ACKED", "BUFFRED", "BUFFERD", "SCHEDULED", "SCHEDLD"), Meaning.ON_ITS_WAY
    ),
}
"""By `stat`. In the specification, ACCEPTD is a message that the operator's staff has read to the recipient; SMSCs use
it for one that they have accepted."""

_TEXT = re.compile(r"\btext:", re.IGNORECASE)
_STATE = re.compile(r"\bstat:\s*([A-Za-z]{1,20})", re.IGNORECASE)
_ERROR = re.compile(r"\berr:\s*([0-9A-Za-z]+)", re.IGNORECASE)
_CODE = re.compile(r"[0-9A-Za-z]{1,6}")


class SmppReceipt(NamedTuple):
    """The part of a receipt that says what became of the message."""

    state: str
    """In upper case."""
    error: str

    @property
    def meaning(self) -> Meaning | None:
        """None for a state that is not documented."""
        return STATES.get(self.state)

    @property
    def code(self) -> str:
        """The state, and the error if there is one."""
        no_error = not _CODE.fullmatch(self.error) or not self.error.strip("0")
        return self.state if no_error else f"{self.state} {self.error}"


def smpp_receipt_in(text: str) -> SmppReceipt | None:
    """The receipt in the text of a `deliver_sm`; None if there is none.

    The beginning of the message's own text stands at the end of a receipt, and is not read.
    """
    head = _TEXT.split(text, maxsplit=1)[0]
    state, error = _STATE.search(head), _ERROR.search(head)
    return SmppReceipt(state[1].upper(), error[1] if error else "") if state else None

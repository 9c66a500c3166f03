"""The specification's contract with a look-up, as no gateway has it: `GET /send/{msgId}` answers 200, 404 or 410."""

from __future__ import annotations

from collections.abc import Collection

from shared.gateways.base import Capabilities, LookUp, LookUpResult, OutgoingMessage, Response, Submission
from shared.gateways.gonets import GonetsAdapter

LARGEST_ID = 1000
"""The last message that can be asked for."""

OUTCOMES = {200: LookUp.FOUND, 404: LookUp.NOT_FOUND, 410: LookUp.REFUSED}


class LookUpAdapter(GonetsAdapter):
    """An adapter that can ask."""

    capabilities = Capabilities(reference=True, looks_up=True)
    look_up_after = 20.0
    look_up_within = 3600.0

    def prepare_look_up(self, message: OutgoingMessage) -> Submission | None:
        if message.message_id > LARGEST_ID:
            return None
        submitted = self.prepare(message)
        assert isinstance(submitted, Submission)
        return submitted._replace(method="GET", body=b"")

    def read_look_up(self, response: Response, message: OutgoingMessage, secrets: Collection[str] = ()) -> LookUpResult:
        outcome = OUTCOMES.get(response.status or 0, LookUp.UNCLEAR)
        return LookUpResult(outcome, str(response.status), provider_message_id="theirs")

"""What adapters have in common that submit each message by a POST request of its own, and that ask for deliveries one
by one."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Collection, Mapping
from typing import ClassVar

from shared.gateways.base import Adapter, OutgoingMessage, SentMessage, Submission, SubmitResult
from shared.gateways.callbacks import polled_id_in
from shared.gateways.text_checks import refusal_of


class PostAdapter(Adapter):
    """An adapter for one account; any thread may use it. Its `__init__` sets the attributes."""

    _path: str
    """Of submissions."""
    _headers: Mapping[str, str]
    _secrets: tuple[str, ...]
    """The credentials in requests, in every form that they have there, and the token in the address for receipts."""

    def prepare(self, message: OutgoingMessage) -> Submission | SubmitResult:
        """The request for a message; a refusal, if its text is too long or not valid Unicode."""
        if refused := refusal_of(message.text, self.capabilities.max_text):
            return refused
        secrets = (*self._secrets, message.text, str(message.phone_number))
        return Submission("POST", self._path, self._headers, self._body_of(message), secrets)

    @abstractmethod
    def _body_of(self, message: OutgoingMessage) -> bytes:
        """The body of the request for a message."""


class PollingPostAdapter(PostAdapter):
    """One that can be asked for the delivery of one message, by GET and by the provider's id of it."""

    poll_limit = 1
    polled_id: ClassVar[str | re.Pattern[str]]
    """The form of the provider's ids."""

    def prepare_poll(self, messages: Collection[SentMessage]) -> Submission | None:
        """The request for a message; None if the provider's id of none of them is known."""
        provider_id = polled_id_in(messages, self.polled_id)
        if provider_id is None:
            return None
        return Submission("GET", self._poll_path_of(provider_id), self._headers, b"", self._secrets)

    @abstractmethod
    def _poll_path_of(self, provider_id: str) -> str:
        """The path of the request for a message."""

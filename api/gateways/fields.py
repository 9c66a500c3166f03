"""A field of the ledger that is looked up in the gateways."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from api.gateways.queries import gateway_names


class NameOfGateway(ma.fields.Field[int]):
    """The name of the gateway of a row in a response, by the row's `gateway_id`."""

    def __init__(self, description: str, example: str | None = "default", *, allow_none: bool = False) -> None:
        metadata = {"type": "string", "description": description, "example": example}
        super().__init__(attribute="gateway_id", required=True, allow_none=allow_none, metadata=metadata)

    def _serialize(self, value: int | None, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else gateway_names()[value].name

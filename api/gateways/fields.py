"""A field of the ledger that is looked up in the gateways."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from api.gateways.queries import gateway_names


class NameOfGateway(ma.fields.Field[int]):
    """The name of a gateway, by its id."""

    def __init__(self, *, metadata: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(metadata={"type": "string", **metadata}, **kwargs)

    def _serialize(self, value: int | None, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else gateway_names()[value].name

"""The clients of an audience as SQL, in which a plan reads the values of their fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from api.mailings.audience_count import Recipients
from api.mailings.gateway_choice import PLACE
from api.mailings.segment_count import condition_of
from shared.sql.templates import value_of

NUMBERS = f"client.phone_number, client.operator_code, {PLACE} AS place"
"""What chooses the gateway of a message."""


class AudienceRows(NamedTuple):
    """Clients, as FROM and WHERE over the alias `client`, with named parameters."""

    source: str
    """With `{sample}` where TABLESAMPLE may be."""
    condition: str
    parameters: Mapping[str, Any]
    gateway: str = "NULL"
    """The expression for the gateway that they have already; NULL if it is still to be chosen."""

    def statement(self, fields: Sequence[str], *, percent: float | None, whole_pages: bool, limit: int) -> str:
        """A SELECT of `id`, `phone_number`, `operator_code`, `place`, `gateway_id`, and a column for each field.

        In an order that has nothing to do with the clients, so that those read first are a sample of all. `percent`
        of the table is sampled: rows, or whole pages. None reads all.
        """
        sample = ""
        if percent is not None:
            sample = f"TABLESAMPLE {'SYSTEM' if whole_pages else 'BERNOULLI'} ({percent:.6f}) REPEATABLE (1)"
        values = "".join(
            f", {value_of(f'%(field_{place})s', '%(opt_out_link)s::text')} AS value_{place}"
            for place in range(len(fields))
        )
        columns = f"client.id, {NUMBERS}, {self.gateway} AS gateway_id{values}"
        return f"{self.select(columns, sample)} ORDER BY hashint8extended(client.id, 1) LIMIT {limit:d}"

    def numbers(self) -> str:
        """A SELECT of `phone_number`, `operator_code` and `place` of all."""
        return self.select(NUMBERS)

    def bound(self, fields: Sequence[str], opt_out_link: str | None) -> dict[str, Any]:
        """The parameters of the statement for these fields. `opt_out_link` is an example for all clients."""
        named = {f"field_{place}": name for place, name in enumerate(fields)}
        return {**self.parameters, **named, "opt_out_link": opt_out_link}

    def select(self, columns: str, sample: str = "") -> str:
        """A SELECT of columns of all, or of a sample."""
        return f"SELECT {columns} FROM {self.source.format(sample=sample)} WHERE {self.condition}"  # noqa: S608


def rows_of_audience(recipients: Recipients) -> AudienceRows:
    """Those who would get a mailing now. Raises SegmentError."""
    if whom := recipients.by_segments:
        return AudienceRows("client {sample}", *condition_of(whom))
    if not recipients.mark:
        return AudienceRows("client {sample}", "false", {})
    condition = "(client.tag = %(mark)s OR client.operator_code = %(mark)s)"
    parameters: dict[str, Any] = {"mark": recipients.mark}
    if recipients.exclude_unknown_after is not None:
        condition += " AND client.unknown_subscriber_count < %(exclude_unknown_after)s"
        parameters["exclude_unknown_after"] = recipients.exclude_unknown_after
    return AudienceRows("client {sample}", condition, parameters)


def rows_of_unattempted(mailing_id: int) -> AudienceRows:
    """Those whose messages of a launched mailing get its present text: none of them was attempted yet."""
    return AudienceRows(
        "message JOIN client ON client.id = message.client_id JOIN path ON path.id = message.path_id",
        "message.mailing_id = %(mailing_id)s AND message.status = 'pending' AND message.text_revision IS NULL",
        {"mailing_id": mailing_id},
        gateway="path.gateway_id",
    )

"""The example of a link to opt out, for plans and previews: there is no message yet, so there is no token."""

from __future__ import annotations

from collections.abc import Collection

from flask import current_app
from sqlalchemy import BigInteger, literal_column, select, table

from api.extensions import db
from shared.domain.opt_out_links import OPT_OUT_LINK, example_link

_LAST_ID = select(literal_column("last_value", BigInteger)).select_from(table("message_id_seq"))
"""The greatest id of a message so far."""


def example_of_next(fields: Collection[str], messages: int = 1) -> str | None:
    """An example that is as long as the link of the last of so many new messages.

    None if there are no links, or if a template with these fields has none.
    """
    url = current_app.config["OPT_OUT_URL"]
    if not url or OPT_OUT_LINK not in fields:
        return None
    return example_link(url, db.session.scalars(_LAST_ID).one() + messages)

"""How each gateway counts the segments of a text, and which texts it refuses."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select

from api.extensions import db
from api.gateways.receipt_settings import capabilities_of
from shared.gateways.registry import PROVIDERS
from shared.gateways.text_rules import TextRules, text_rules
from shared.schema import Gateway


def rules_of_gateways() -> Mapping[int, TextRules]:
    """The rules of all gateways by their ids, removed ones too; not of those whose provider is unknown."""
    rows = db.session.execute(select(Gateway.id, Gateway.provider, Gateway.options))
    return {
        row.id: text_rules(provider, capabilities_of(provider, row.options), row.options)
        for row in rows
        if (provider := PROVIDERS.get(row.provider))
    }

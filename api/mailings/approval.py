"""Approving a mailing, so that it may run."""

from __future__ import annotations

from api.clock import CLOCK, now
from api.mailing_history import add_history_entry
from api.principal import current_principal
from shared.domain.approval_rules import check_approval
from shared.schema import Mailing


def approve(mailing: Mailing) -> None:
    """Approves a locked mailing in the name of the current principal. Raises Conflict."""
    principal = current_principal()
    check_approval(mailing, principal.actor, now())
    mailing.approved_at, mailing.approved_by = CLOCK, principal.name
    add_history_entry(mailing.id, "approve")

"""Consents: recording and withdrawing them, and what a withdrawal does to messages that wait.

A withdrawal and its effect on pending messages are one transaction: first the row, then the pending messages of the
number, which are locked.

A claim of such a message that is under way holds the message: it is committed before the withdrawal. A claim that
begins later checks for a consent (shared/sql/claim_rules.py): one that begins after the last consent was withdrawn
never takes a message that needs one. Only a message that becomes pending while the withdrawal is being recorded can be
in a claim that begins before its commit and ends after it.
"""

from __future__ import annotations

from shared import locks
from shared.domain.reasons import ReasonCode
from shared.sql.suppressions import end_waiting


def is_consenting(phone_number: str) -> str:
    """Whether there is a consent to marketing from a number, an expression."""
    return f"""EXISTS (
        SELECT FROM consent
        WHERE consent.phone_number = {phone_number} AND withdrawn_at IS NULL AND purpose = 'marketing' OFFSET 0
    )"""


# Let one transaction at a time add consents. A statement of its own before ADD_CONSENTS, which then sees what the one
# before has added.
LOCK_CONSENTS = "SELECT pg_advisory_xact_lock({}, {})".format(*locks.CONSENTS)

# Record consents, each with the columns of the JSON array's objects, which are all different; one that is recorded
# already adds nothing, even if it has been withdrawn.
ADD_CONSENTS = """
INSERT INTO consent (phone_number, purpose, given_at, method, wording, evidence, source, recorded_by)
SELECT phone_number, purpose, given_at, method, wording, coalesce(evidence, '{}'), source, recorded_by
FROM json_to_recordset(%(consents)s) AS given(
    phone_number bigint, purpose text, given_at timestamptz, method text, wording text, evidence jsonb,
    source record_source, recorded_by text)
WHERE NOT EXISTS (
    SELECT FROM consent AS known
    WHERE known.phone_number = given.phone_number AND known.purpose = given.purpose
        AND known.given_at = given.given_at AND known.method = given.method AND known.wording = given.wording
    OFFSET 0
)
RETURNING id
"""

# Withdraw a consent that is in force.
WITHDRAW_CONSENT = """
UPDATE consent
SET withdrawn_at = coalesce(%(withdrawn_at)s, clock_timestamp()),
    withdrawal_recorded_at = clock_timestamp(),
    withdrawal_recorded_by = %(recorded_by)s,
    withdrawal_evidence = %(evidence)s
WHERE id = %(id)s AND withdrawn_at IS NULL
RETURNING phone_number
"""

# End the pending messages of these numbers that need a consent, and whose number has none any more. To be executed
# after WITHDRAW_CONSENT, in its transaction.
CANCEL_WITHOUT_CONSENT = end_waiting(
    ReasonCode.NO_CONSENT, f"requires_consent AND NOT {is_consenting('message.phone_number')}"
)

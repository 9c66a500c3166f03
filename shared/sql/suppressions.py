"""Suppressions: recording them, and what they do to messages that wait.

A suppression and its effect on pending messages are one transaction: first the row, then the pending messages of the
number, which are locked.

A claim of such a message that is under way holds the message: it is committed before the suppression. A claim that
begins later checks the row (shared/sql/claim_rules.py): one that begins after a suppression was recorded never takes
it. Only a message that becomes pending while the suppression is being recorded can be in a claim that begins before its
commit and ends after it.
"""

from __future__ import annotations

from shared.domain.reasons import ReasonCode
from shared.domain.statuses import MailingKind
from shared.domain.suppressions import SuppressionScope
from shared.sql.conditions import end_unless_in_doubt


def covers(kind: str, gateway_id: str | None = None) -> str:
    """Whether the row of `suppression` covers messages of a mailing of that kind: whatever their gateway, or also those
    that this gateway is about to get. Both are expressions.
    """
    scopes = [
        f"scope = '{SuppressionScope.EVERYTHING}'",
        f"scope = '{SuppressionScope.MARKETING}' AND {kind} = '{MailingKind.MARKETING}'",
    ]
    if gateway_id is not None:
        scopes.append(f"scope = '{SuppressionScope.GATEWAY}' AND suppression.gateway_id = {gateway_id}")
    return f"(suppression.lifted_at IS NULL AND {kind} <> '{MailingKind.REPLY}' AND ({' OR '.join(scopes)}))"


def is_suppressed(phone_number: str, kind: str) -> str:
    """Whether a number must not get messages of that kind from any gateway. Both are expressions.

    OFFSET 0 keeps the planner from a join that reads all suppressions.
    """
    return f"""EXISTS (
        SELECT FROM suppression WHERE suppression.phone_number = {phone_number} AND {covers(kind)} OFFSET 0
    )"""


ANY_IN_FORCE = "((SELECT min(phone_number) FROM suppression WHERE lifted_at IS NULL) IS NOT NULL)"
"""Whether any number is suppressed. (An EXISTS might read all that were lifted.)"""


def end_waiting(reason: ReasonCode, condition: str) -> str:
    """The statement that ends the pending messages of some numbers for which a condition holds. All pending messages of
    the numbers are locked, in the order of their ids as everywhere.
    """
    return f"""
WITH waiting AS MATERIALIZED (
    SELECT message.id, mailing_id
    FROM message
    WHERE phone_number = ANY(%(phone_numbers)s) AND status = 'pending'
    ORDER BY message.id
    FOR UPDATE
)
UPDATE message
SET status = {end_unless_in_doubt("'cancelled'")},
    ended_at = now(),
    reason_code = '{reason}',
    reason_params = NULL
FROM waiting JOIN mailing ON mailing.id = waiting.mailing_id
WHERE message.id = ANY(ARRAY(SELECT id FROM waiting)) AND message.id = waiting.id AND {condition}
"""  # noqa: S608  put together of constants


# Record suppressions, each with the columns of the JSON array's objects; one that is in force already adds nothing.
# `reported_at` is when it happened, where it may be reported again later: one that was lifted since is not set again.
# Of several with the same number, scope and gateway, the first one counts that was not lifted since. In the order of
# numbers, so that two of these statements do not wait for each other.
ADD_SUPPRESSIONS = """
INSERT INTO suppression (phone_number, scope, gateway_id, reason, source, evidence, recorded_by)
SELECT DISTINCT ON (phone_number, scope, gateway_id)
    phone_number, scope, gateway_id, reason, source, coalesce(evidence, '{}'), recorded_by
FROM ROWS FROM (json_to_recordset(%(suppressions)s) AS (
    phone_number bigint, scope suppression_scope, gateway_id bigint, reason suppression_reason,
    source record_source, evidence jsonb, recorded_by text, reported_at timestamptz
)) WITH ORDINALITY AS given(
    phone_number, scope, gateway_id, reason, source, evidence, recorded_by, reported_at, place)
WHERE phone_number IS NOT NULL AND (reported_at IS NULL OR NOT EXISTS (
    SELECT FROM suppression AS lifted
    WHERE lifted.phone_number = given.phone_number AND lifted.scope = given.scope
        AND lifted.gateway_id IS NOT DISTINCT FROM given.gateway_id AND lifted_at >= reported_at
    OFFSET 0
))
ORDER BY phone_number, scope, gateway_id, place
ON CONFLICT (phone_number, scope, coalesce(gateway_id, 0)) WHERE lifted_at IS NULL DO NOTHING
RETURNING id, phone_number
"""

# Lift a suppression that is in force.
LIFT_SUPPRESSION = """
UPDATE suppression
SET lifted_at = clock_timestamp(), lifted_by = %(lifted_by)s, lift_evidence = %(evidence)s
WHERE id = %(id)s AND lifted_at IS NULL
RETURNING id
"""

# End the pending messages that suppressions of these numbers cover. To be executed after ADD_SUPPRESSIONS, in its
# transaction. Those that only a gateway's suppression concerns are decided when that gateway claims them.
CANCEL_SUPPRESSED = end_waiting(ReasonCode.SUPPRESSED, is_suppressed("message.phone_number", "mailing.kind"))

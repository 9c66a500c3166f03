"""Mailings: started, launched, paused, cancelled, finished, run again, removed."""

from __future__ import annotations

from shared.domain.reasons import ReasonCode
from shared.sql.consents import is_consenting
from shared.sql.local_windows import ARGUMENTS, effective_timezone
from shared.sql.suppressions import ANY_IN_FORCE, is_suppressed

MAY_START = "status = 'scheduled' AND start_datetime <= now() AND (NOT requires_approval OR approved_at IS NOT NULL)"

# Start the mailings whose start has come. Clients that are added after this moment are not in the audience.
START_MAILINGS = f"""
UPDATE mailing
SET status = 'running',
    launch_started_at = now(),
    max_client_id = (SELECT coalesce(max(id), 0) FROM client)
WHERE id IN (
    SELECT id FROM mailing
    WHERE {MAY_START}
    ORDER BY start_datetime
    LIMIT 100
    FOR UPDATE SKIP LOCKED
)
RETURNING id
"""  # noqa: S608  put together of constants

# Mailings that are being launched, the one with the fewest messages first: a small one never waits for a large one.
# Paused and cancelled ones too: once a mailing has started, each client in its audience has a message. `stage` is one
# of LaunchStage (worker/maintenance/launcher.py).
FIND_LAUNCHING = """
SELECT id, CASE
    WHEN audience_frozen_at IS NOT NULL THEN 'listed'
    WHEN mark <> '' AND excluded_segment_ids = '{}' THEN 'by_mark'
    WHEN audience_failed_at IS NULL THEN 'unlisted'
    WHEN status = 'cancelled' OR end_datetime <= now() THEN 'missed'
    ELSE 'failed' END AS stage
FROM mailing
WHERE launch_started_at IS NOT NULL AND settled_at IS NULL AND launched_at IS NULL
ORDER BY audience, id
"""

# Lock a mailing as all changes of it do, and as claims do, which share the lock (shared/locks.py). A statement of its
# own, before those that read or change the mailing's row.
LOCK_MAILING = "SELECT pg_advisory_xact_lock(%(mailing_id)s)"

# Lock the launch of a mailing: one worker at a time launches it. Not a row lock, which would keep claims waiting for
# the whole chunk. (shared/locks.py has the space of such locks.)
LOCK_LAUNCH = "SELECT pg_try_advisory_xact_lock(-%(mailing_id)s) AS locked"

# Commit a chunk of a launch without waiting for the disk. The claims that follow wait for theirs, and so for all before
# (PostgreSQL manual, 30.4): a message is never sent whose chunk could be lost. A chunk that a crash of the server has
# lost is launched again, since it is lost together with the progress.
COMMIT_WITHOUT_WAITING = "SET LOCAL synchronous_commit TO off"

_DENSE = 2
"""An audience is dense if it has more than one of so many clients."""

# The progress of a launch. To be read once the launch is locked: before that, another worker may change it.
#
# `only_path` is the path of all its messages, if there is only one to choose from. `is_dense` is about the audience so
# far. What follows it are the rules that concern the mailing.
READ_LAUNCH = f"""
SELECT mark, last_client_id, max_client_id, route_id, exclude_unknown_after, coalesce(
    (SELECT path.id FROM path WHERE path.route_id IS NULL AND gateway_ids = ARRAY[mailing.gateway_id]),
    (SELECT min(path.id)
     FROM path JOIN route ON route.id = path.route_id
     WHERE weight > 0 AND (route.id = mailing.route_id OR (mailing.route_id IS NULL AND removed_at IS NULL))
     HAVING count(*) = 1)) AS only_path,
    last_client_id < {_DENSE} * audience AS is_dense,
    kind, requires_consent, local_from IS NOT NULL AS has_local_window,
    {ANY_IN_FORCE} AS has_suppressions
FROM mailing
WHERE id = %(mailing_id)s AND launched_at IS NULL
"""  # noqa: S608  put together of constants

# The clients of a chunk, locked: what follows has them as they are by then.
_CLIENTS = """clients AS MATERIALIZED (
    SELECT client.id, phone_number, operator_code, timezone FROM client WHERE {condition}
{lock}
)"""

# The local window of the time zones that clients of a chunk have: when it opens for each. Computed once a chunk for
# each zone, and not for each client.
_OPENINGS = f"""openings AS MATERIALIZED (
    SELECT zone.timezone, effective IS NOT NULL AS is_known,
        next_permitted(now(), end_datetime, effective, {ARGUMENTS}) AS opens_at
    FROM mailing CROSS JOIN (
        SELECT DISTINCT timezone FROM clients WHERE %(has_local_window)s
    ) AS zone CROSS JOIN LATERAL (SELECT {effective_timezone("zone.timezone")} AS effective) AS known
    WHERE mailing.id = %(mailing_id)s
)"""  # noqa: S608  put together of constants

# What the statements that turn a chunk of clients into messages have in common.
#
# A message that a rule forbids has ended when it is added, with the reason: each client of the audience has a message.
# One whose local window is closed is due when it opens. Claims apply the rules again (shared/sql/claim_rules.py): what
# is recorded after this statement has begun, they see. Without rules the planner leaves all of that out.
_ADD_MESSAGES = f"""INSERT INTO message (mailing_id, client_id, phone_number, path_id, due_at, status, ended_at,
        reason_code)
    SELECT %(mailing_id)s, client.id, phone_number,
        coalesce(%(only_path)s, path_of(%(route_id)s, phone_number, operator_code, client.id)),
        CASE WHEN ended.reason_code IS NULL THEN coalesce(opens_at, now()) ELSE now() END,
        CASE ended.reason_code
            WHEN '{ReasonCode.SUPPRESSED}' THEN 'cancelled'
            WHEN '{ReasonCode.NO_CONSENT}' THEN 'cancelled'
            WHEN '{ReasonCode.TIMEZONE_UNKNOWN}' THEN 'failed'
            WHEN '{ReasonCode.NO_LOCAL_TIME}' THEN 'expired'
            ELSE 'pending'
        END::message_status,
        CASE WHEN ended.reason_code IS NOT NULL THEN now() END,
        coalesce(ended.reason_code, CASE WHEN opens_at > now() THEN '{ReasonCode.OUTSIDE_LOCAL_WINDOW}' END)
    FROM clients AS client LEFT JOIN openings ON %(has_local_window)s AND openings.timezone = client.timezone
        CROSS JOIN LATERAL (
            SELECT CASE
                WHEN %(has_suppressions)s AND {is_suppressed("client.phone_number", "%(kind)s")}
                    THEN '{ReasonCode.SUPPRESSED}'
                WHEN %(requires_consent)s AND NOT {is_consenting("client.phone_number")}
                    THEN '{ReasonCode.NO_CONSENT}'
                WHEN %(has_local_window)s AND NOT is_known THEN '{ReasonCode.TIMEZONE_UNKNOWN}'
                WHEN %(has_local_window)s AND opens_at IS NULL THEN '{ReasonCode.NO_LOCAL_TIME}'
            END AS reason_code
        ) AS ended"""  # noqa: S608  put together of constants
LOCK_CHUNK = """    ORDER BY client.id
    FOR KEY SHARE OF client"""
END_CHUNK = """FROM (
    SELECT messages, pg_advisory_xact_lock(%(mailing_id)s) FROM (SELECT count(*) AS messages FROM added) AS last
) AS alone CROSS JOIN ({read}) AS read
WHERE id = %(mailing_id)s
RETURNING id AS mailing_id, messages AS added, launched_at IS NOT NULL AS launched, audience"""


def add_messages(condition: str, limit: str = "") -> str:
    """The parts `clients`, `openings` and `added` of a statement that turns the clients that meet a condition into
    messages. `limit` is a LIMIT clause, if there is one.
    """
    return f"""{_CLIENTS.format(condition=condition, lock=LOCK_CHUNK + limit)}, {_OPENINGS}, added AS (
    {_ADD_MESSAGES}
    RETURNING 1
)"""


def skipping_existing(statement: str) -> str:
    """The same statement for an audience in which some clients already have a message.

    A launch commits each chunk together with its progress, so this is needed only if `last_client_id` was set back by
    hand. Looking for them in every chunk would cost a fifth of a launch.
    """
    existing = "SELECT FROM message WHERE message.client_id = client.id AND mailing_id = %(mailing_id)s"
    return statement.replace(LOCK_CHUNK, f"      AND NOT EXISTS ({existing})\n{LOCK_CHUNK}")


_NOT_LEFT_OUT = """
      AND (%(exclude_unknown_after)s::int IS NULL OR unknown_subscriber_count < %(exclude_unknown_after)s)"""

# The chunk's end is found by walking the two indexes in order: a chunk costs the same wherever in the audience it is.
_BY_INDEX = f"""chunk AS (
    SELECT id FROM (
        (SELECT id FROM client WHERE tag = %(mark)s AND id > %(last_client_id)s AND id <= %(max_client_id)s
         ORDER BY id LIMIT %(chunk)s)
        UNION ALL
        (SELECT id FROM client WHERE operator_code = %(mark)s AND tag <> %(mark)s
             AND id > %(last_client_id)s AND id <= %(max_client_id)s
         ORDER BY id LIMIT %(chunk)s)
    ) AS matching
    ORDER BY id
    LIMIT %(chunk)s
), {add_messages(f"client.id = ANY(ARRAY(SELECT id FROM chunk)){_NOT_LEFT_OUT}")}"""  # noqa: S608


def _launch(parts: str, clients: str, end: str) -> str:
    """A statement that launches a chunk. Its part named `clients` has the clients of the chunk; if they are fewer than
    `%(chunk)s`, there are no others with ids up to `end`.
    """
    last = f"SELECT CASE WHEN count(*) < %(chunk)s THEN {end} ELSE max(id) END AS last_id FROM {clients}"  # noqa: S608
    return f"""
WITH {parts}
UPDATE mailing
SET last_client_id = read.last_id,
    audience = audience + messages,
    launched_at = CASE WHEN read.last_id >= %(max_client_id)s THEN now() END
{END_CHUNK.format(read=last)}
"""  # noqa: S608


# Turn the next chunk of the audience into messages. Clients that are left out are in no message, nor in the audience.
# Locking the clients FOR KEY SHARE makes a removal or a change of phone number wait for this chunk's commit, and then
# find the messages. The mailing's own row comes last, under its advisory lock like every change of it: otherwise claims
# that share the row could make this wait without end (see _OPEN in shared/sql/queue.py). The lock comes after the count
# of the added messages, or claims would wait for the whole chunk.
LAUNCH_CHUNK = _launch(_BY_INDEX, "chunk", "%(max_client_id)s")

LAUNCH_CHUNK_AGAIN = skipping_existing(LAUNCH_CHUNK)

# The same for a dense audience: reads the clients in the order of their ids, and leaves out those who are not in it. It
# reads no more than twice the chunk, so what follows may be sparse.
#
# CASE keeps the planner from expecting many clients: with rules, the estimated cost would be above jit_above_cost.
_READ_TO = f"least(%(last_client_id)s + {_DENSE} * %(chunk)s::bigint, %(max_client_id)s)"
_IN_ORDER = f"""client.id > %(last_client_id)s AND client.id <= {_READ_TO}
      AND CASE WHEN tag = %(mark)s THEN tag ELSE operator_code END = %(mark)s{_NOT_LEFT_OUT}"""
LAUNCH_DENSE_CHUNK = _launch(add_messages(_IN_ORDER, " LIMIT %(chunk)s"), "clients", _READ_TO)

# Launch a test send as it is added: it runs, with one message to a client whose row is locked as by a launch. The
# message takes the path of the mailing's gateway, if it is to test one, else that of its route.
LAUNCH_TEST = """
WITH launched AS (
    UPDATE mailing
    SET status = 'running',
        launch_started_at = start_datetime,
        launched_at = start_datetime,
        max_client_id = %(client_id)s,
        last_client_id = %(client_id)s,
        audience = 1
    WHERE id = %(mailing_id)s
    RETURNING id, route_id, gateway_id
)
INSERT INTO message (mailing_id, client_id, phone_number, path_id, due_at)
SELECT launched.id, client.id, client.phone_number, coalesce(
        (SELECT path.id FROM path WHERE path.route_id IS NULL AND gateway_ids = ARRAY[launched.gateway_id]),
        path_of(launched.route_id, client.phone_number, client.operator_code, client.id)
    ), now()
FROM launched CROSS JOIN client
WHERE client.id = %(client_id)s
RETURNING id
"""

_ALL_ENDED = """NOT EXISTS (
    SELECT FROM message_count_delta
    WHERE mailing_id = mailing.id AND status IN ('pending', 'sending')
    HAVING sum(delta) <> 0)"""  # in the two statements below

# Lock the mailings all of whose messages seem to have ended. The counts that are read here may be older than the lock:
# a retry may have made messages pending between this statement's snapshot and the moment when it locks the mailing.
# Only a statement that begins while the lock is held sees them all. Mailings that others have locked are skipped until
# the next round.
LOCK_ENDED_MAILINGS = f"""
SELECT id
FROM mailing
WHERE launch_started_at IS NOT NULL AND settled_at IS NULL AND launched_at IS NOT NULL AND {_ALL_ENDED}
FOR NO KEY UPDATE SKIP LOCKED
"""  # noqa: S608  put together of constants

# Settle those whose messages have ended, and finish them (a cancelled one stays cancelled). To be executed after
# LOCK_ENDED_MAILINGS, in the same transaction: nothing makes messages pending without the lock of their mailing.
SETTLE_MAILINGS = f"""
UPDATE mailing
SET settled_at = now(),
    ended_at = coalesce(ended_at, now()),
    status = CASE status WHEN 'cancelled' THEN status ELSE 'finished' END
WHERE id = ANY(%(locked)s) AND settled_at IS NULL AND launched_at IS NOT NULL AND {_ALL_ENDED}
RETURNING id, status, audience
"""  # noqa: S608  put together of constants

# Set the status that a person's action leads to. A cancelled mailing ends by the clock, and not by now(), which is when
# the transaction began: it may have waited for the mailing's lock since. A resumed one whose audience could not be
# listed is listed again.
SET_STATUS = """
UPDATE mailing
SET status = %(status)s::mailing_status,
    audience_failed_at = CASE WHEN %(status)s::mailing_status <> 'running' THEN audience_failed_at END,
    ended_at = CASE WHEN %(status)s::mailing_status = 'cancelled' THEN clock_timestamp() END
WHERE id = %(mailing_id)s
"""

# Lock the mailings whose clients a saved segment still decides, and that require approval. To be executed before the
# segment is locked: a change of a mailing locks the mailing first, and then its segments.
LOCK_USES_OF_SEGMENT = """
SELECT id FROM mailing
WHERE (segment_id = %(segment_id)s OR %(segment_id)s = ANY(excluded_segment_ids))
    AND requires_approval AND audience_frozen_at IS NULL AND ended_at IS NULL
ORDER BY id
FOR UPDATE
"""

# Take the approvals of these mailings back after a change of them, or of a segment of theirs, by `actor`. One that runs
# is paused: nothing is sent that was not approved.
TAKE_APPROVALS_BACK = """
UPDATE mailing
SET approved_at = NULL,
    approved_by = NULL,
    status = CASE mailing.status WHEN 'running' THEN 'paused' ELSE mailing.status END,
    edited_by = %(actor)s,
    updated_at = clock_timestamp()
FROM (SELECT id, approved_at IS NOT NULL AS was_approved, status FROM mailing WHERE id = ANY(%(ids)s)) AS before
WHERE mailing.id = before.id
RETURNING mailing.id, was_approved, before.status = 'running' AS was_running
"""

# Let a mailing run again that has pending messages again: it is no longer ended or settled.
RUN_AGAIN = """
UPDATE mailing
SET settled_at = NULL,
    ended_at = CASE WHEN status <> 'finished' THEN ended_at END,
    status = CASE status WHEN 'finished' THEN 'running' ELSE status END
WHERE id = %(mailing_id)s
"""

# The same for a removed or cancelled mailing: the rest of its messages is cancelled, not sent.
CANCEL_AGAIN = "UPDATE mailing SET settled_at = NULL, status = 'cancelled' WHERE id = %(mailing_id)s"

# Remove a mailing that has been launched: it is hidden, and cancelled unless it has ended.
HIDE_MAILING = """
UPDATE mailing
SET deleted_at = clock_timestamp(),
    ended_at = coalesce(ended_at, clock_timestamp()),
    status = CASE status WHEN 'finished' THEN status ELSE 'cancelled' END
WHERE id = %(mailing_id)s
"""

# Remove a mailing that has not been launched, with its texts and its history.
DELETE_MAILING = "DELETE FROM mailing WHERE id = %(mailing_id)s"

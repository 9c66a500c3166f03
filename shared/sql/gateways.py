"""Gateways and routes: added, changed, paused, removed. (How paths fail over between gateways: routing.py.)"""

from __future__ import annotations

from shared.sql.routing import first_available

# Add a gateway, with its own path and its availability.
ADD_GATEWAY = """
WITH added AS (
    INSERT INTO gateway (name, provider, address, sender, options, credentials, rate, concurrency, receipts,
        receipt_hours, poll_receipts, no_receipt_prefixes, min_delivery_percent, segment_price, currency)
    VALUES (%(name)s, %(provider)s, %(address)s, %(sender)s, %(options)s::jsonb, %(credentials)s, %(rate)s,
        %(concurrency)s, %(receipts)s, %(receipt_hours)s, %(poll_receipts)s, %(no_receipt_prefixes)s,
        %(min_delivery_percent)s, %(segment_price)s, %(currency)s)
    RETURNING id
), available AS (
    INSERT INTO gateway_availability (gateway_id) SELECT id FROM added
), path AS (
    INSERT INTO path (gateway_ids, gateway_id) SELECT ARRAY[id], id FROM added
)
SELECT id FROM added
"""

# The gateways whose providers may call.
READ_CALLABLE_GATEWAYS = """
SELECT id, name, provider, address, sender, options, credentials, callback_token, revision
FROM gateway
WHERE removed_at IS NULL
"""

# Replace the secret part of the addresses that the provider calls. Workers compare the revision.
RENEW_CALLBACK_ADDRESSES = """
UPDATE gateway
SET callback_token = DEFAULT, revision = revision + 1, updated_at = clock_timestamp()
WHERE id = %(gateway_id)s
"""

# Change the account. Workers compare the revision.
CHANGE_GATEWAY = """
UPDATE gateway
SET address = %(address)s,
    sender = %(sender)s,
    options = %(options)s::jsonb,
    credentials = %(credentials)s,
    rate = %(rate)s,
    concurrency = %(concurrency)s,
    receipts = %(receipts)s,
    receipt_hours = %(receipt_hours)s,
    poll_receipts = %(poll_receipts)s,
    no_receipt_prefixes = %(no_receipt_prefixes)s,
    min_delivery_percent = %(min_delivery_percent)s,
    segment_price = %(segment_price)s,
    currency = %(currency)s,
    revision = revision + 1,
    updated_at = clock_timestamp()
WHERE id = %(gateway_id)s
"""

# Store the same credentials, encrypted with another key: nothing that a person would call a change.
STORE_CREDENTIALS = (
    "UPDATE gateway SET credentials = %(credentials)s, revision = revision + 1 WHERE id = %(gateway_id)s"
)

# Pause a gateway, so that nothing is submitted to it, or resume it.
PAUSE_GATEWAY = """
UPDATE gateway SET paused_at = clock_timestamp(), revision = revision + 1, updated_at = clock_timestamp()
WHERE id = %(gateway_id)s
"""
RESUME_GATEWAY = """
UPDATE gateway SET paused_at = NULL, revision = revision + 1, updated_at = clock_timestamp()
WHERE id = %(gateway_id)s
"""

# Remove a gateway. Its row stays, since attempts name it, but not its credentials.
REMOVE_GATEWAY = """
UPDATE gateway
SET removed_at = clock_timestamp(), credentials = NULL, revision = revision + 1, updated_at = clock_timestamp()
WHERE id = %(gateway_id)s
"""

# Whether messages wait that no other gateway could get: those bound to it, and those of routes that were removed.
WAITS_FOR_GATEWAY = """
SELECT EXISTS (
    SELECT FROM queue_batch JOIN path ON path.id = queue_batch.path_id
    WHERE %(gateway_id)s = ANY(gateway_ids) AND NOT EXISTS (
        SELECT FROM gateway
        WHERE gateway.id = ANY(gateway_ids) AND gateway.id <> %(gateway_id)s AND removed_at IS NULL
    )
) AS waits
"""

# How many messages the account of a gateway may have without a known result: in flight, or in doubt.
UNSETTLED_AT_GATEWAY = """
SELECT count(*) FROM message
WHERE message.id = ANY(ARRAY(
        SELECT unnest(message_ids) FROM queue_batch JOIN path ON path.id = path_id
        WHERE route_id IS NULL AND gateway_ids = ARRAY[%(gateway_id)s::bigint]
        UNION ALL
        SELECT unnest(message_ids) FROM claim WHERE gateway = %(name)s
    )) AND gateway_id = %(gateway_id)s AND (status = 'sending' OR (status = 'pending' AND in_doubt))
"""

ADD_ROUTE = """
INSERT INTO route (name, prefixes, operator_codes) VALUES (%(name)s, %(prefixes)s, %(operator_codes)s) RETURNING id
"""

CHANGE_ROUTE = """
UPDATE route
SET name = %(name)s, prefixes = %(prefixes)s, operator_codes = %(operator_codes)s, updated_at = clock_timestamp()
WHERE id = %(route_id)s
"""

# Remove a route. Its paths stay, for the messages that take them.
REMOVE_ROUTE = """
UPDATE route SET removed_at = clock_timestamp(), updated_at = clock_timestamp() WHERE id = %(route_id)s
"""

# As workers choose it at a failover; where no gateway could get messages, the first one.
_CHOSEN = f"coalesce({first_available('%(gateway_ids)s::bigint[]')}, (%(gateway_ids)s::bigint[])[1])"

ADD_PATH = f"""
INSERT INTO path (route_id, weight, gateway_ids, gateway_id)
VALUES (%(route_id)s, %(weight)s, %(gateway_ids)s, {_CHOSEN})
"""  # noqa: S608  put together of constants

# Change a path in place: messages that wait on it take the new list.
CHANGE_PATH = f"""
UPDATE path SET weight = %(weight)s, gateway_ids = %(gateway_ids)s, gateway_id = {_CHOSEN} WHERE id = %(path_id)s
"""  # noqa: S608  put together of constants

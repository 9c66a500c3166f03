"""The SQL of number lists, for what is too large for the session."""

# Lists that are neither complete nor under way: their process was killed. (UPLOAD_TIMEOUT is an hour.)
LEFTOVERS = "SELECT id FROM number_list WHERE NOT is_complete AND updated_at < now() - interval '1 day'"

BEGIN = "INSERT INTO number_list (name) VALUES (%(name)s) RETURNING id"

LIMIT_TIME = "SET LOCAL statement_timeout = '10min'"

# Add the numbers of a part of a file that the list does not have yet.
ADD_NUMBERS = """
INSERT INTO number_list_entry (list_id, phone_number)
SELECT %(list_id)s, given.phone_number FROM unnest(%(phone_numbers)s::bigint[]) AS given(phone_number)
ON CONFLICT DO NOTHING
"""

COMPLETE = """
UPDATE number_list SET name = %(name)s, numbers = %(numbers)s, is_complete = true, updated_at = now()
WHERE id = %(list_id)s
"""

# The next numbers of a list, in order, and the id of the client of each; null if there is none.
NUMBERS_AFTER = """
SELECT entry.phone_number, client.id AS client_id
FROM (
    SELECT phone_number FROM number_list_entry
    WHERE list_id = %(list_id)s AND phone_number > %(after)s ORDER BY phone_number LIMIT %(limit)s
) AS entry LEFT JOIN LATERAL (
    SELECT id FROM client WHERE client.phone_number = entry.phone_number LIMIT 1
) AS client ON true
ORDER BY phone_number
"""

ADD_CLIENTS = """
INSERT INTO client (phone_number, operator_code, tag, timezone)
SELECT phone_number, operator_code, %(tag)s, timezone
FROM unnest(%(phone_numbers)s::bigint[], %(operator_codes)s::text[], %(timezones)s::text[])
    AS given(phone_number, operator_code, timezone)
ON CONFLICT (phone_number) DO NOTHING
"""

# The first of the saved segments, and of the mailings that are not launched, whose condition names a list.
SEGMENT_WITH = """
SELECT id FROM segment
WHERE removed_at IS NULL AND jsonb_path_exists(tree, %(path)s::jsonpath)
ORDER BY id LIMIT 1
"""
MAILING_WITH = """
SELECT id FROM mailing
WHERE segment_tree IS NOT NULL AND launched_at IS NULL AND audience_frozen_at IS NULL AND ended_at IS NULL
    AND jsonb_path_exists(segment_tree, %(path)s::jsonpath)
ORDER BY id LIMIT 1
"""

HIDE = "UPDATE number_list SET is_complete = false, name = %(name)s, updated_at = now() WHERE id = %(list_id)s"

DELETE_ENTRIES = """
DELETE FROM number_list_entry
WHERE list_id = %(list_id)s AND phone_number IN (
    SELECT phone_number FROM number_list_entry WHERE list_id = %(list_id)s ORDER BY phone_number LIMIT %(limit)s
)
"""

DELETE = "DELETE FROM number_list WHERE id = %(list_id)s"

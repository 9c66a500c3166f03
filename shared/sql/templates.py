"""The values of clients that templates are filled in with."""

from __future__ import annotations

from shared.domain.opt_out_links import OPT_OUT_LINK


def value_of(field: str, opt_out_link: str) -> str:
    """The SQL of the value of a field of the row `client`, as text: NULL if it is missing. `field` is SQL of its name,
    and `opt_out_link` of the link that the message has.

    Columns are given as attributes of their types are (FieldType).
    """
    return f"""CASE {field}
            WHEN 'phone_number' THEN client.phone_number::text
            WHEN 'operator_code' THEN client.operator_code
            WHEN 'tag' THEN client.tag
            WHEN 'timezone' THEN client.timezone
            WHEN 'external_id' THEN client.external_id
            WHEN 'tags' THEN to_jsonb(nullif(array_remove(client.tag || client.tags, ''), '{{}}'))::text
            WHEN 'created_at' THEN to_char(client.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
            WHEN 'unknown_subscriber_count' THEN client.unknown_subscriber_count::text
            WHEN '{OPT_OUT_LINK}' THEN {opt_out_link}
            ELSE client.attributes ->> {field}
        END"""


def values_of(fields: str, opt_out_link: str) -> str:
    """The SQL of the values of the row `client` for the array of names that `fields` is the SQL of, in its order."""
    return f"""ARRAY(
        SELECT {value_of("named.field", opt_out_link)}
        FROM unnest({fields}) WITH ORDINALITY AS named(field, place)
        ORDER BY place
    )"""  # noqa: S608  put together of constants


# The link by which the recipient of a message opts out; NULL without OPT_OUT_URL, the parameter `opt_out_url`.
_OPT_OUT_LINK = "%(opt_out_url)s::text || '/' || opt_out_token(message.id, (SELECT opt_out_secret FROM sending_rules))"

# The values of a message's client for the text that the message has, or is about to get; NULL for a plain text.
VALUES_OF_MESSAGE = f"""(
    SELECT {values_of("mailing_text.fields", _OPT_OUT_LINK)}
    FROM client JOIN mailing_text ON mailing_text.mailing_id = message.mailing_id AND fields IS NOT NULL
    WHERE client.id = message.client_id AND mailing_text.revision = coalesce(
        message.text_revision, (SELECT mailing.text_revision FROM mailing WHERE mailing.id = message.mailing_id))
)"""  # noqa: S608  put together of constants

# The values of some clients, in the order of the fields that are given. They have no message yet: `opt_out_link` is an
# example.
READ_VALUES = f"""
SELECT client.id, {values_of("%(fields)s::text[]", "%(opt_out_link)s::text")} AS values
FROM client
WHERE client.id = ANY(ARRAY(SELECT unnest(%(ids)s::bigint[])))
ORDER BY client.id
"""  # noqa: S608  put together of constants

"""The SQL that merges rows with external ids, tags and attributes, or without what a new client must have.

The statements correspond to MERGE and COMPARE of import_sql.py, which are faster. `{name}` is the name of an import's
own tables, never from a request.
"""

# Both are empty in most files of rows with attributes, and an index of no rows is built at once.
INDEX_EXTERNAL_IDS = "CREATE INDEX ON {name} (external_id, line) WHERE external_id IS NOT NULL"

# As lock_fields of api/client_fields/queries.py does.
LOCK_FIELDS = """
SELECT name FROM client_field WHERE name = ANY (%(names)s) AND removal_started_at IS NULL ORDER BY id FOR KEY SHARE
"""

# What the row `known` makes of the row `client`. The first three stay where the file does not have them.
_CODE = "CASE WHEN 'operator_code' = ANY (known.kept) THEN client.operator_code ELSE known.operator_code END"
_TAG = "CASE WHEN 'tag' = ANY (known.kept) THEN client.tag ELSE known.tag END"
_TIMEZONE = "CASE WHEN 'timezone' = ANY (known.kept) THEN client.timezone ELSE known.timezone END"
_EXTERNAL_ID = """CASE WHEN known.external_id IS NULL AND NOT 'external_id' = ANY (known.removed)
    THEN client.external_id ELSE known.external_id END"""
_TAGS = f"""ARRAY(
    SELECT DISTINCT one COLLATE "C" FROM unnest(CASE
        WHEN 'tags' = ANY (known.removed) OR (%(replaces_tags)s AND known.tags IS NOT NULL) THEN known.tags
        ELSE client.tags || known.tags END) AS one
    WHERE one <> {_TAG} ORDER BY 1)"""  # noqa: S608  put together of constants
_ATTRIBUTES = "(client.attributes - known.removed) || known.attributes"
_NEW_TAGS = (
    """ARRAY(SELECT DISTINCT one COLLATE "C" FROM unnest(known.tags) AS one WHERE one <> known.tag ORDER BY 1)"""
)

# A fault as `_stored` of import_staging.py has it: field, code, texts, numbers.
_FAULT = f"""CASE
    WHEN known.again THEN json_build_array('phone_number', 'number_in_file_twice', '{{{{}}}}'::json, json_build_object(
        'line', (SELECT first.line FROM {{name}} AS first WHERE first.phone_number = known.phone_number
            ORDER BY line LIMIT 1)))
    WHEN earlier.line IS NOT NULL THEN json_build_array('external_id', 'external_id_in_file_twice', '{{{{}}}}'::json,
        json_build_object('line', earlier.line))
    WHEN taken.id IS NOT NULL THEN json_build_array('external_id', 'external_id_of_client', '{{{{}}}}'::json,
        json_build_object('client', taken.id))
    WHEN client.id IS NULL AND known.operator_code = '' THEN
        json_build_array('operator_code', 'operator_code_not_in_plan', '{{{{}}}}'::json, '{{{{}}}}'::json)
    WHEN client.id IS NULL AND known.timezone = '' THEN
        json_build_array('timezone', 'timezone_not_in_plan', '{{{{}}}}'::json, '{{{{}}}}'::json)
    WHEN cardinality({_TAGS}) >= %(max_tags)s THEN json_build_array('tags', 'too_many_tags', '{{{{}}}}'::json,
        json_build_object('count', 1 + cardinality({_TAGS}), 'limit', %(max_tags)s))
    WHEN octet_length(({_ATTRIBUTES})::text) > %(max_attributes)s THEN
        json_build_array('attributes', 'attributes_too_large', '{{{{}}}}'::json, json_build_object(
            'size', octet_length(({_ATTRIBUTES})::text), 'limit', %(max_attributes)s))
END"""  # noqa: S608  put together of constants

_GIVEN = f"""
WITH given AS MATERIALIZED (
    SELECT line, phone_number, operator_code, tag, timezone, cells, external_id, tags,
        coalesce(attributes, '{{{{}}}}') AS attributes, coalesce(removed, '{{{{}}}}') AS removed,
        coalesce(kept, '{{{{}}}}') AS kept,
        phone_number = lag(phone_number, 1, %(phone_number)s) OVER (ORDER BY phone_number, line) AS again
    FROM {{name}}
    WHERE (phone_number, line) > (%(phone_number)s, %(line)s)
    ORDER BY phone_number, line
    LIMIT %(limit)s
), found AS MATERIALIZED (
    SELECT known.*, client.id, {_FAULT} AS fault,
        (client.operator_code, client.tag, client.timezone, client.external_id, client.tags, client.attributes)
            IS DISTINCT FROM ({_CODE}, {_TAG}, {_TIMEZONE}, {_EXTERNAL_ID}, {_TAGS}, {_ATTRIBUTES}) AS differs
    FROM given AS known
        LEFT JOIN LATERAL (SELECT * FROM client WHERE client.phone_number = known.phone_number LIMIT 1) client ON true
        LEFT JOIN LATERAL (
            SELECT other.id FROM client AS other
            WHERE other.external_id = known.external_id AND other.phone_number <> known.phone_number LIMIT 1
        ) taken ON true
        LEFT JOIN LATERAL (
            SELECT before.line FROM {{name}} AS before
            WHERE before.external_id = known.external_id AND before.line < known.line
                AND before.phone_number <> known.phone_number
            ORDER BY before.line LIMIT 1
        ) earlier ON true
), known AS MATERIALIZED (
    SELECT * FROM found WHERE fault IS NULL
), repeated AS (
    INSERT INTO {{name}}_faults
    SELECT line, json_build_array(fault),
        coalesce(cells, json_build_object('phone_number', phone_number::text, 'operator_code', operator_code,
            'tag', tag, 'timezone', timezone)::text)
    FROM found WHERE fault IS NOT NULL
    RETURNING line
)"""  # noqa: S608  put together of constants

_SUMS = """
SELECT phone_number, line, added, changed, distinct_numbers - added - changed, repeated, missed
FROM given, counts ORDER BY phone_number DESC, line DESC LIMIT 1
"""

# A change is computed from the row as it is when it is locked: what another transaction has added to it stays. A client
# that another transaction adds concurrently is `missed`: then this one is to be rolled back and repeated.
MERGE = f"""{_GIVEN}, changed AS (
    UPDATE client SET operator_code = {_CODE}, tag = {_TAG}, timezone = {_TIMEZONE}, external_id = {_EXTERNAL_ID},
        tags = {_TAGS}, attributes = {_ATTRIBUTES}, updated_at = now()
    FROM known
    WHERE client.id = known.id AND known.differs
    RETURNING client.id
), added AS (
    INSERT INTO client (phone_number, operator_code, tag, timezone, external_id, tags, attributes)
    SELECT phone_number, operator_code, tag, timezone, external_id, {_NEW_TAGS}, attributes
    FROM known WHERE id IS NULL ORDER BY phone_number
    ON CONFLICT (phone_number) DO NOTHING
    RETURNING id
), counts AS (
    SELECT (SELECT count(*) FROM known) AS distinct_numbers, (SELECT count(*) FROM repeated) AS repeated,
        (SELECT count(*) FROM added) AS added, (SELECT count(*) FROM changed) AS changed,
        (SELECT count(*) FROM known WHERE id IS NULL) - (SELECT count(*) FROM added) AS missed
)
{_SUMS}"""  # noqa: S608  put together of constants

# The counts that MERGE would return now; the directory is only read.
COMPARE = f"""{_GIVEN}, counts AS (
    SELECT (SELECT count(*) FROM known) AS distinct_numbers, (SELECT count(*) FROM repeated) AS repeated,
        (SELECT count(*) FROM known WHERE id IS NULL) AS added,
        (SELECT count(*) FROM known WHERE id IS NOT NULL AND differs) AS changed, 0 AS missed
)
{_SUMS}"""  # noqa: S608  put together of constants

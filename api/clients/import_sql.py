"""The SQL of imports. `{name}` is the name of an import's own tables, never from a request."""

# The name has the time of creation, by the database's clock, to find orphaned tables.
NEW_NAME = "SELECT format('client_import_%%s_%%s', extract(epoch FROM now())::bigint, %(chance)s)"

CREATE_TABLES = """
CREATE UNLOGGED TABLE {name} (
    line bigint NOT NULL, phone_number bigint NOT NULL, operator_code text NOT NULL, tag text NOT NULL,
    timezone text NOT NULL, cells text,
    external_id text, tags text[], attributes jsonb, removed text[], kept text[]
) WITH (autovacuum_enabled = off);
CREATE UNLOGGED TABLE {name}_faults (
    line bigint PRIMARY KEY, faults json NOT NULL, cells text NOT NULL
) WITH (autovacuum_enabled = off)
"""

DROP_TABLES = "DROP TABLE IF EXISTS {name}, {name}_faults"

# The tables of imports that began more than a day ago: no import takes that long (UPLOAD_TIMEOUT is an hour).
LEFTOVERS = """
SELECT relname FROM pg_class
WHERE relkind = 'r' AND pg_table_is_visible(oid) AND relname ~ '^client_import_[0-9]+_[0-9a-f]+$'
    AND split_part(relname, '_', 3)::bigint < extract(epoch FROM now() - interval '1 day')
"""

LIMITS = "SELECT set_config('statement_timeout', %(timeout)s, true)"

# `cells` is the row as it is in the file, if the file has other columns than these.
COPY_CLIENTS = "COPY {name} (line, phone_number, operator_code, tag, timezone) FROM STDIN"
COPY_CLIENTS_AND_CELLS = "COPY {name} (line, phone_number, operator_code, tag, timezone, cells) FROM STDIN"
COPY_VALUES = "COPY {name} FROM STDIN"
COPY_FAULTS = "COPY {name}_faults FROM STDIN"

INDEX_CLIENTS = "CREATE INDEX ON {name} (phone_number, line); SELECT count(*) FROM {name}"

# Row by row through the indexes: any other plan reads the whole directory for each statement. To compile one takes
# longer than its rows do.
MERGE_LIMITS = (
    "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_seqscan = off; "
    "SET LOCAL jit = off"
)

# The next rows, in an order that all imports share, so that two of them can't deadlock. A row
# that equals its client is only read.
_GIVEN = """
WITH given AS MATERIALIZED (
    SELECT line, phone_number, operator_code, tag, timezone, cells,
        phone_number = lag(phone_number, 1, %(phone_number)s) OVER (ORDER BY phone_number, line) AS again
    FROM {name}
    WHERE (phone_number, line) > (%(phone_number)s, %(line)s)
    ORDER BY phone_number, line
    LIMIT %(limit)s
), known AS MATERIALIZED (
    SELECT given.phone_number, given.operator_code, given.tag, given.timezone, client.id,
        (client.operator_code, client.tag, client.timezone)
            IS DISTINCT FROM (given.operator_code, given.tag, given.timezone) AS differs
    FROM given
        LEFT JOIN LATERAL (SELECT * FROM client WHERE client.phone_number = given.phone_number LIMIT 1) client ON true
    WHERE NOT given.again
), repeated AS (
    INSERT INTO {name}_faults
    SELECT line, json_build_array(json_build_array('phone_number', 'number_in_file_twice', '{{}}'::json,
        json_build_object('line', (
            SELECT first.line FROM {name} AS first WHERE first.phone_number = given.phone_number ORDER BY line LIMIT 1
        )))),
        coalesce(cells, json_build_object('phone_number', phone_number::text, 'operator_code', operator_code,
            'tag', tag, 'timezone', timezone)::text)
    FROM given WHERE again
    RETURNING line
)"""

_SUMS = """
SELECT phone_number, line, added, changed, distinct_numbers - added - changed, repeated
FROM given, counts ORDER BY phone_number DESC, line DESC LIMIT 1
"""

# The phone number is never changed: the locks are FOR NO KEY UPDATE, which neither a launch nor a worker waits for.
# A tag that becomes `tag` leaves the others (CHECK client_tags_are_others).
# A client that another transaction adds concurrently is changed; one that is removed concurrently stays removed.
MERGE = f"""{_GIVEN}, changed AS (
    UPDATE client SET operator_code = known.operator_code, tag = known.tag, timezone = known.timezone,
        tags = array_remove(client.tags, known.tag), updated_at = now()
    FROM known
    WHERE client.id = known.id AND known.differs
    RETURNING client.id
), added AS (
    INSERT INTO client (phone_number, operator_code, tag, timezone)
    SELECT phone_number, operator_code, tag, timezone FROM known WHERE id IS NULL ORDER BY phone_number
    ON CONFLICT (phone_number) DO UPDATE SET operator_code = excluded.operator_code, tag = excluded.tag,
        timezone = excluded.timezone, tags = array_remove(client.tags, excluded.tag), updated_at = now()
    WHERE (client.operator_code, client.tag, client.timezone)
        IS DISTINCT FROM (excluded.operator_code, excluded.tag, excluded.timezone)
    RETURNING xmax = 0 AS new
), counts AS (
    SELECT (SELECT count(*) FROM known) AS distinct_numbers, (SELECT count(*) FROM repeated) AS repeated,
        (SELECT count(*) FROM added WHERE new) AS added,
        (SELECT count(*) FROM changed) + (SELECT count(*) FROM added WHERE NOT new) AS changed
)
{_SUMS}"""  # noqa: S608  put together of constants

# The phone numbers of the rows that MERGE takes. As one text, which is read in a third of the time.
NUMBERS = """
SELECT string_agg(phone_number::text, ',')
FROM (
    SELECT phone_number FROM {name}
    WHERE (phone_number, line) > (%(phone_number)s, %(line)s)
    ORDER BY phone_number, line
    LIMIT %(limit)s
) AS given
"""

# The counts that MERGE would return now; the directory is only read.
COMPARE = f"""{_GIVEN}, counts AS (
    SELECT (SELECT count(*) FROM known) AS distinct_numbers, (SELECT count(*) FROM repeated) AS repeated,
        (SELECT count(*) FROM known WHERE id IS NULL) AS added,
        (SELECT count(*) FROM known WHERE id IS NOT NULL AND differs) AS changed
)
{_SUMS}"""  # noqa: S608  put together of constants

# The rejected rows grouped by reason; reasons that differ in numbers only are one, without these numbers.
REASONS = """
SELECT field, code, words::json AS words, CASE WHEN min(numbers) = max(numbers) THEN min(numbers)::json ELSE (
        SELECT json_object_agg(key, '…') FROM json_object_keys(min(numbers)::json) AS key
    ) END AS numbers,
    count(*) AS rows, (array_agg(line ORDER BY line))[:%(lines)s] AS lines, count(*) OVER () AS reasons
FROM (
    SELECT line, fault->>0 AS field, fault->>1 AS code, fault->>2 AS words, fault->>3 AS numbers
    FROM {name}_faults, json_array_elements(faults) AS fault
) each
GROUP BY field, code, words
ORDER BY count(*) DESC, min(line), field
LIMIT %(limit)s
"""

# In how many rows each field has an error.
BAD_FIELDS = """
SELECT fault->>0 AS field, count(DISTINCT line) AS rows
FROM {name}_faults, json_array_elements(faults) AS fault GROUP BY 1
"""

FAULTS_AFTER = """
SELECT line, faults, cells FROM {name}_faults WHERE line > %(line)s ORDER BY line LIMIT %(limit)s
"""

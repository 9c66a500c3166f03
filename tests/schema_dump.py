"""migrations/schema.sql: the whole schema as pg_dump prints it. `make schema` writes it from what the migrations make.

The embedded PostgreSQL's pg_dump prints the same for every server that Gonets works with, once the lines that name
versions and set the session up are left out.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

from sandbox.data_directory import program
from sandbox.postgres import embedded_postgres
from tests.database import ROOT, migrate

DOCUMENT = ROOT / "migrations" / "schema.sql"

HEADER = """\
-- The schema that the migrations make, with functions and triggers: to read, and to compare. Written by `make schema`.
-- To make or change a database, run the migrations.
"""

# Comments name the server's version and owners, SET and set_config concern the session that reads a dump, \restrict
# carries a random word. NOT NULL has a name since PostgreSQL 18. Debian's 17.12 numbers columns (pg_attver), which only
# its own pg_dump passes over. What each identity begins with is the default, and every name is of the schema public.
_LEFT_OUT = (
    re.compile(r"^(?:--.*|SET .*|SELECT pg_catalog\.set_config\(.*|\\(?:un)?restrict .*)$", re.M),
    re.compile(r"^ALTER TABLE ONLY .* SET \(pg_attver=\d+\);$", re.M),
    re.compile(r"\bpublic\."),
    re.compile(r" CONSTRAINT \w+(?= NOT NULL)"),
    re.compile(
        r" \(\n    SEQUENCE NAME \w+\n    START WITH 1\n    INCREMENT BY 1\n"
        r"    NO MINVALUE\n    NO MAXVALUE\n    CACHE 1\n\)"
    ),
)


def schema(url: str) -> str:
    """The schema of a database, without what differs between servers. Raises CalledProcessError if pg_dump fails."""
    command = [program("pg_dump"), "--schema-only", "--no-owner", "--no-privileges", f"--dbname={url}"]
    command.append("--exclude-table=alembic_version")
    return normalised(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def normalised(dump: str) -> str:
    """What a dump says of types, functions, tables, indexes and triggers, with one empty line between two."""
    for left_out in _LEFT_OUT:
        dump = left_out.sub("", dump)
    return HEADER + "\n" + re.sub(r"\n{3,}", "\n\n", dump).strip("\n") + "\n"


def main() -> None:
    """Migrates a database of its own and writes its schema."""
    with tempfile.TemporaryDirectory() as folder, embedded_postgres(Path(folder) / "data", durable=False) as url:
        migrate(url)
        DOCUMENT.write_text(schema(url))


if __name__ == "__main__":
    main()

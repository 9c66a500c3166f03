"""Brings tags, and the marks of mailings that have not been launched, into the form that new ones are kept in.

Marks are compared with tags as they are. From now on both come without white space at their ends, without characters
that have no width, and composed; a tag that is stored otherwise could never be chosen again.

A mark is changed only where some client has exactly that tag: such a mailing reaches the same clients as before, and
those whose tag looked the same and was not. One that reached nobody goes on reaching nobody. What was launched is
history. Tags that become equal to a mark that waits add to its audience: that is what its author saw.

Reads the directory once and writes only what changes. Runs beside workers and APIs of the version before: a launch
that is under way reads its mark anew for each chunk, under the lock that is taken here too.

Revises: 0010
"""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# As shared/domain/tag_normalization.py has them at this revision.
WHITE_SPACE = r"\t\n\v\f\r\x1c-\x20\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
ZERO_WIDTH = r"\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff"

PLAIN = "^([!-~]+( [!-~]+)*)?$"
"""What is normal without a closer look: most tags are."""


def upgrade() -> None:
    # First the marks, under the locks that launches (negative) and writers of a mailing take: a launch that has read
    # the old mark would find nobody once the tags have changed.
    for lock in ("-id", "id"):
        op.execute(f"SELECT pg_advisory_xact_lock({lock}) FROM ({WAITING} ORDER BY id) AS waiting")  # noqa: S608
    op.execute(f"UPDATE mailing SET mark = {_normal('mark')} WHERE id IN ({WAITING})")  # noqa: S608
    op.execute(f"UPDATE client SET tag = {_normal('tag')} WHERE {_differs('tag')}")  # noqa: S608


def downgrade() -> None:
    """What was normalised stays so: it is as good a tag as before."""


def _differs(column: str) -> str:
    return f"{column} !~ '{PLAIN}' AND {column} <> {_normal(column)}"


def _normal(column: str) -> str:
    composed = f"normalize(regexp_replace({column}, '[{ZERO_WIDTH}]', '', 'g'), NFC)"
    return f"btrim(regexp_replace({composed}, '[{WHITE_SPACE}]+', ' ', 'g'), ' ')"


WAITING = f"""
SELECT id FROM mailing
WHERE launched_at IS NULL AND ended_at IS NULL AND {_differs("mark")} AND {_normal("mark")} <> ''
    AND EXISTS (SELECT FROM client WHERE tag = mailing.mark)
"""  # noqa: S608
"""Mailings that are not wholly launched yet, and whose mark is not normal but somebody's tag."""

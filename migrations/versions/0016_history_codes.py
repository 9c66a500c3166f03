"""Gives the details of a mailing's history a code with parameters, beside the sentence.

Columns that may be empty, filled for what people have done so far: APIs of the version before can run beside it. What
these write meanwhile has only the sentence. No worker reads or writes the table.

Revises: 0015
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

# Every sentence that a version before this wrote, as a code of `shared/domain/sentences.py` at this revision.
FILL = """
UPDATE mailing_event SET detail_code = given.code, detail_params = given.params
FROM mailing_event AS event, LATERAL (
    SELECT 'retried' AS code, jsonb_build_object('count', part[1]::bigint, 'status', part[2]) AS params
    FROM regexp_matches(event.detail, '^(\\d+) (failed|unknown)$') AS part WHERE event.action = 'retry'
    UNION ALL
    SELECT 'resolved', jsonb_build_object('message', part[1]::bigint, 'outcome', part[2])
    FROM regexp_matches(event.detail, '^message (\\d+): (arrived|not_arrived|resend)$') AS part
    WHERE event.action = 'resolve'
    UNION ALL
    SELECT 'tested', jsonb_build_object('mailing', part[1]::bigint)
    FROM regexp_matches(event.detail, '^mailing (\\d+)$') AS part WHERE event.action = 'test'
    UNION ALL
    SELECT 'reopened', '{}' WHERE event.action = 'reopen' AND event.detail = 'messages of it had no end'
    UNION ALL
    SELECT 'restored', '{}' WHERE event.action = 'pause' AND event.detail = 'after a restore'
) AS given
WHERE event.id = mailing_event.id
"""


def upgrade() -> None:
    op.add_column("mailing_event", sa.Column("detail_code", sa.Text(), nullable=True))
    op.add_column("mailing_event", sa.Column("detail_params", JSONB(), nullable=True))
    op.execute(FILL)


def downgrade() -> None:
    op.drop_column("mailing_event", "detail_params")
    op.drop_column("mailing_event", "detail_code")

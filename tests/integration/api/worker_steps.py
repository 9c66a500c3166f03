"""What a worker does to a mailing, done by hand."""

from __future__ import annotations

from psycopg2.extensions import connection as Connection  # noqa: N812

from tests import factories


def launch(connection: Connection, mailing_id: int, *statuses: str) -> None:
    """The mailing runs, and its audience are messages in these states."""
    for number, status in enumerate(statuses):
        factories.execute(
            connection,
            """
            INSERT INTO message (mailing_id, client_id, phone_number, status, claim_id, sent_at, ended_at)
            SELECT %s, %s, 79161234567, status, CASE status WHEN 'sending' THEN 1 END,
                CASE status WHEN 'sent' THEN now() END, CASE WHEN status NOT IN ('pending', 'sending') THEN now() END
            FROM (SELECT %s::message_status AS status) AS given
            """,
            mailing_id,
            number + 1,
            status,
        )
    factories.execute(
        connection,
        """
        UPDATE mailing
        SET status = 'running', launch_started_at = now(), max_client_id = 0, launched_at = now(), audience = %s
        WHERE id = %s
        """,
        len(statuses),
        mailing_id,
    )


def end(connection: Connection, mailing_id: int, status: str) -> None:
    """The mailing is finished or cancelled."""
    factories.execute(connection, "UPDATE mailing SET status = %s, ended_at = now() WHERE id = %s", status, mailing_id)

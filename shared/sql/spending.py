"""Spending limits: the cost of messages is reserved before they are submitted, and what was not spent is returned.

`spending` has what the messages of a mailing with a limit cost, `daily_spending` what all messages of a day (UTC) cost
while there is a daily limit; those in flight are included. The rows are locked in the order of the mailings, the day
last.
"""

from __future__ import annotations

# Lock what mailings with a limit have spent. The update that changes nothing is what locks a row that is there, and
# reads its latest version.
LOCK_SPENDING = """
INSERT INTO spending (mailing_id, currency)
SELECT id, spending_currency FROM mailing WHERE id = ANY(%(mailings)s) AND spending_limit IS NOT NULL ORDER BY id
ON CONFLICT (mailing_id, currency) DO UPDATE SET amount = spending.amount
RETURNING mailing_id, currency, amount, (
    SELECT spending_limit FROM mailing WHERE mailing.id = mailing_id
) AS spending_limit
"""

# Lock what was spent today, if there is a daily limit.
LOCK_DAY = """
INSERT INTO daily_spending (day, currency)
SELECT (now() AT TIME ZONE 'UTC')::date, spending_currency FROM sending_rules WHERE daily_spending_limit IS NOT NULL
ON CONFLICT (day, currency) DO UPDATE SET amount = daily_spending.amount
RETURNING day, currency, amount, (SELECT daily_spending_limit FROM sending_rules) AS spending_limit
"""

ADD_TO_MAILING = """
UPDATE spending
SET amount = greatest(0, amount + %(amount)s)
WHERE mailing_id = %(mailing_id)s AND currency = %(currency)s
"""

ADD_TO_DAY = """
UPDATE daily_spending
SET amount = greatest(0, amount + %(amount)s)
WHERE day = %(day)s AND currency = %(currency)s
"""

# Those of the messages that claims still hold. A transaction that is repeated after its commit finds none: what was
# reserved is returned once.
READ_HELD = """
SELECT message.id
FROM unnest(%(ids)s::bigint[], %(numbers)s::bigint[], %(claims)s::bigint[]) AS given(id, number, claim_id)
    JOIN message ON message.id = given.id
WHERE message.id = ANY(%(ids)s) AND status = 'sending' AND attempts = number AND message.claim_id = given.claim_id
"""

# Pause a mailing whose next messages would cost more than a limit, unless the limits have been changed since. To be
# executed after LOCK_MAILING (shared/sql/mailings.py).
PAUSE_MAILING = """
UPDATE mailing
SET status = 'paused'
WHERE id = %(mailing_id)s AND status = 'running' AND spending_limit IS NOT DISTINCT FROM %(spending_limit)s
    AND (SELECT daily_spending_limit FROM sending_rules) IS NOT DISTINCT FROM %(daily_limit)s
"""

KEPT_DAYS = 400
"""Days that the spending of a day is kept: the same day of the year before can be looked up."""

# Delete what was spent on days long ago.
DELETE_OLD_DAYS = f"DELETE FROM daily_spending WHERE day < now() - interval '{KEPT_DAYS} days'"  # noqa: S608

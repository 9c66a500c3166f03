"""Every advisory lock that Gonets takes in PostgreSQL, in one place: two features must never share a key by accident.

PostgreSQL has two key spaces for advisory locks that never meet: one bigint, and two ints (manual, section 13.3.5).

The space of one bigint:

- a mailing's id (positive): shared by claims, exclusive for changes of the mailing (pause, cancel, edit, retry, the
  last step of each chunk of a launch);
- a mailing's id, negated: the launch of that mailing, so that one worker at a time launches it;
- a 64-bit hash of an Idempotency-Key: a request waits for another one with the same key. It may be any number, so two
  keys, or a key and a mailing, may share a lock by chance: one then waits briefly for the other.

The space of two ints: a class below, and what is locked within it.
"""

from __future__ import annotations

RETENTION = (1, 1)
"""One worker at a time removes old ledgers."""

POISON_MESSAGES = (1, 2)
"""One worker at a time checks whether a poison message is in flight, and claims one."""

LEDGER_PARTITIONS = (1, 3)
"""One process at a time makes a partition of the ledger: taken by the function `make_ledger_partition`."""

FAILOVER = (1, 4)
"""One worker at a time decides which gateways are available, and assigns paths to them."""

RECEIPTS = (1, 5)
"""Shared by what records providers' ids, exclusive for what moves receipts to the orphans: a receipt and the id that
it refers to never miss each other."""

INBOUND = (1, 6)
"""One worker at a time puts inbound messages together: another one would not see the parts that the first one takes."""

MIGRATIONS = (2, 1)
"""One process at a time migrates."""

BOOTSTRAP_KEY = (2, 2)
"""One process at a time makes the first key of an installation."""

ROUTING = (2, 3)
"""One request at a time changes gateways or routes: each checks what the others list."""

CONSENTS = (2, 4)
"""One request at a time adds consents, and adds none that is recorded already."""

"""One round of maintenance: what mailings need beside sending. Each duty has its own file. Those that may take long,
listing an audience and retention, have threads of their own (long_duty_thread.py).

Any number of workers can do this at the same time: statements that take work skip rows that others have locked. Locks
of what changes with that work, such as mailings, messages and clients, may be waited for, briefly.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.sql import receipts
from worker.database import NOT_MIGRATED, Database
from worker.maintenance.cap_usage_retention import CapUsageRetention
from worker.maintenance.clock_step_rescheduler import ClockStepRescheduler
from worker.maintenance.delivery_speed_measurer import DeliverySpeedMeasurer
from worker.maintenance.failover import Failover
from worker.maintenance.inbound_assembler import InboundAssembler
from worker.maintenance.launcher import Launcher
from worker.maintenance.mailing_settler import MailingSettler
from worker.maintenance.message_count_compactor import MessageCountCompactor
from worker.maintenance.message_ender import MessageEnder
from worker.maintenance.partition_maker import PartitionMaker
from worker.maintenance.receipt_applier import ReceiptApplier
from worker.maintenance.receipt_deadline import ReceiptDeadline
from worker.maintenance.rule_change_rescheduler import RuleChangeRescheduler
from worker.maintenance.time_share_limiter import TimeShareLimiter
from worker.rows import fetch_all
from worker.telemetry.keyword_totals import KeywordTotals
from worker.telemetry.receipt_totals import ReceiptTotals

log = logging.getLogger(__name__)

LONGEST_RETRY = 2 * 86400.0
"""Seconds until a retry at most, by the largest settings: RETRY_AFTER_MAX_SECONDS and RETRY_MAX_SECONDS after it."""

SETTLE_SHARE = 0.1
"""Share of the time for settling and compaction. While any transaction still sees compacted rows, settling and
compaction read every one of them, and get slower with each message that is sent."""

ROUND_INTERVAL = 1.0
"""Seconds between rounds while messages are being sent."""

LAUNCH_SECONDS = 0.5
"""Seconds between rounds of the other duties while this worker launches a mailing and they find nothing more to do:
they take a tenth of the time of a chunk."""

MAX_PAUSE = 30.0
"""Seconds by which settling is delayed at most: the default of LEASE_SECONDS."""


class Due(NamedTuple):
    """The row of FIND_DUE."""

    receipts: bool
    mailings: bool
    inbound: bool


class Maintenance:
    """The duties of one worker. A round is some short transactions."""

    def __init__(
        self,
        database: Database,
        *,
        launch_chunk: int,
        lease_seconds: float = MAX_PAUSE,
        longest_retry: float = LONGEST_RETRY,
        on_unlisted: Callable[[], None] = lambda: None,
    ) -> None:
        """No duty is delayed by more than `lease_seconds`. `longest_retry`: seconds until a retry at most.

        `on_unlisted` is called in each round that finds an audience to list.
        """
        max_pause = min(MAX_PAUSE, lease_seconds)
        self._database = database
        self._partition_maker = PartitionMaker(database)
        self._launcher = Launcher(database, launch_chunk, on_unlisted)
        self._message_ender = MessageEnder(database)
        self._failover = Failover(database)
        self._receipt_applier = ReceiptApplier(database)
        self._receipt_deadline = ReceiptDeadline(database)
        self._delivery_speed_measurer = DeliverySpeedMeasurer(database)
        self._inbound_assembler = InboundAssembler(database)
        self._clock_step_rescheduler = ClockStepRescheduler(database, longest_retry)
        self._rule_change_rescheduler = RuleChangeRescheduler(database)
        self._mailing_settler = MailingSettler(database)
        self._message_count_compactor = MessageCountCompactor(database)
        self._cap_usage_retention = CapUsageRetention(database)
        self._budget = TimeShareLimiter(SETTLE_SHARE, max_pause)
        self._others_due_at = 0.0

    @property
    def launching(self) -> bool:
        """Whether a mailing was being launched at the last check, here or by another worker."""
        return self._launcher.launching

    @property
    def keywords(self) -> KeywordTotals:
        """How many keywords of inbound messages were found so far."""
        return self._inbound_assembler.totals

    @property
    def receipts(self) -> ReceiptTotals:
        """How many receipts were handled so far."""
        return self._receipt_applier.totals

    def run_due(self) -> bool:
        """What cannot wait for the next round: applies receipts, stores inbound messages, which may be opt-outs, and
        starts mailings whose start has come.

        Returns whether there is more to do at once.
        """
        due = self._database.transaction(self._find_due)
        assembling = due.inbound and self._inbound_assembler.run()
        applying = due.receipts and self._receipt_applier.run()
        starting = due.mailings and self._launcher.start_mailings()
        return assembling or applying or starting

    def _find_due(self, cursor: Cursor) -> Due:
        cursor.execute(receipts.FIND_DUE, {"after": self._receipt_applier.after})
        [due] = fetch_all(cursor, Due)
        return due

    def run(self) -> bool:
        """One round. Returns whether there is more to do at once.

        While this worker launches a mailing, most rounds are one chunk of it and little else, unless another duty has
        more to do at once.
        """
        self._partition_maker.run()
        self._launcher.start_mailings()
        launching = self._launcher.launch()
        if launching and time.monotonic() < self._others_due_at:
            return True
        ending = self._message_ender.run()
        reassigned = self._failover.run()
        applying = self._receipt_applier.run()
        waiting = self._receipt_deadline.run()
        measuring = self._delivery_speed_measurer.run()
        assembling = self._inbound_assembler.run()
        rescheduling = self._rule_change_rescheduler.run()
        if self._budget.is_due:
            before = self._database.seconds
            self._clock_step_rescheduler.run()
            self._mailing_settler.run()
            self._compact()
            self._budget.spend(self._database.seconds - before - SETTLE_SHARE * ROUND_INTERVAL)
        have_more = any((ending, reassigned, applying, waiting, measuring, assembling, rescheduling))
        self._others_due_at = 0.0 if have_more else time.monotonic() + LAUNCH_SECONDS
        return launching or have_more

    def _compact(self) -> None:
        """The duties that can wait while the database is not migrated yet."""
        try:
            self._message_count_compactor.run()
            self._cap_usage_retention.run()
        except NOT_MIGRATED:
            log.warning("maintenance.not_migrated")

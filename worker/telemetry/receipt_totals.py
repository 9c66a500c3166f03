"""How many receipts a worker has handled since its start."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class ReceiptTotals:
    """Written by one thread, read by the one that serves a scrape."""

    applied: int = 0
    """Moved to their messages."""
    orphans: int = 0
    """Those that match no message."""
    settled: int = 0
    """Messages in doubt that became `sent` by a receipt."""

"""Reclaiming expired leases, beside the queue of a worker."""

from __future__ import annotations

from worker.maintenance.lease_reclaimer import LeaseReclaimer
from worker.queue import Queue


def reclaim(queue: Queue) -> int:
    """Reclaims expired leases as the maintenance of the queue's worker would. Returns how many attempts it ended."""
    return LeaseReclaimer(queue._database, queue.recorder, lease_seconds=queue._lease_seconds).run()

"""Reclaiming expired leases, beside the queue of a worker."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from worker.maintenance.lease_reclaimer import LeaseReclaimer
from worker.queue import Queue

_RECLAIMERS: WeakKeyDictionary[Queue, LeaseReclaimer] = WeakKeyDictionary()


def reclaim(queue: Queue, limit: int) -> int:
    """Reclaims at most so many expired leases as the maintenance of the queue's worker would. Returns how many."""
    return reclaimer_of(queue).run(limit)


def reclaimer_of(queue: Queue) -> LeaseReclaimer:
    """What reclaims leases for the queue's worker: always the same one."""
    if queue not in _RECLAIMERS:
        made = LeaseReclaimer(queue._database, queue.recorder, lease_seconds=queue._lease_seconds)
        _RECLAIMERS[queue] = made
    return _RECLAIMERS[queue]

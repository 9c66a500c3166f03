"""The sender threads: they make requests, and nothing else. The database is the daemon's business."""

from __future__ import annotations

import logging
import queue
import threading
import time
import traceback
from collections.abc import Iterable
from typing import Protocol, TypeVar

from shared.ledger import Outcome
from worker.answers import Answer
from worker.delivery import Attempted, Delivery

log = logging.getLogger(__name__)

Item = TypeVar("Item")


class SendsMessages(Protocol):
    """What the senders need of a gateway. It must not raise, and must be safe to call from many threads."""

    def send(self, message_id: int, phone_number: int, text: str) -> Answer: ...


class Senders:
    """A pool of threads that take deliveries and make attempts of them.

    A delivery whose `start_by` has passed, or that a thread takes up while the pool is being stopped, is not attempted:
    it comes back as it was, and its request certainly never left.
    """

    def __init__(self, gateway: SendsMessages, threads: int, something_done: threading.Event) -> None:
        """`something_done` is set whenever there is something to collect."""
        self._gateway = gateway
        self._something_done = something_done
        self._waiting: queue.SimpleQueue[Delivery | None] = queue.SimpleQueue()
        self._attempted: queue.SimpleQueue[Attempted] = queue.SimpleQueue()
        self._unstarted: queue.SimpleQueue[Delivery] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._in_hand = 0
        self._threads = [
            threading.Thread(target=self._send_on, name=f"sender-{number}", daemon=True) for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def in_hand(self) -> int:
        """Deliveries submitted and not collected yet."""
        return self._in_hand

    def submit(self, deliveries: Iterable[Delivery]) -> None:
        """Hands deliveries to the threads, first come, first served."""
        for delivery in deliveries:
            self._in_hand += 1
            self._waiting.put(delivery)

    def collect(self) -> tuple[list[Attempted], list[Delivery]]:
        """What has been attempted, and what came back unattempted, since the last time. Does not wait."""
        attempted, unstarted = _drain(self._attempted), _drain(self._unstarted)
        self._in_hand -= len(attempted) + len(unstarted)
        return attempted, unstarted

    def recall(self) -> list[Delivery]:
        """Takes back what no thread has begun."""
        if self._stopped.is_set():
            return []  # what waits there now is each thread's notice to end
        recalled = [delivery for delivery in _drain(self._waiting) if delivery is not None]
        self._in_hand -= len(recalled)
        return recalled

    def stop(self) -> list[Delivery]:
        """Starts no more requests, and takes back what no thread has begun. Those in flight go on."""
        recalled = self.recall()
        self._stopped.set()
        for _ in self._threads:
            self._waiting.put(None)
        return recalled

    def _send_on(self) -> None:
        while (delivery := self._waiting.get()) is not None:
            started = self._wait_for(delivery.start_from)
            if self._stopped.is_set() or started >= delivery.start_by:
                self._unstarted.put(delivery)
            else:
                answer = self._send(delivery)
                duration = time.monotonic() - started
                started_at = delivery.claim.database_time(started)
                self._attempted.put(Attempted(delivery, answer, started_at, duration, started))
            self._something_done.set()

    def _send(self, delivery: Delivery) -> Answer:
        try:
            return self._gateway.send(delivery.message_id, delivery.phone_number, delivery.text)
        except Exception as error:  # noqa: BLE001  a bug: one message may meet it, and the thread is there for all
            # Only where it was: an error's own words may quote the text or the token.
            where = "".join(traceback.format_tb(error.__traceback__))
            extra = {"message_id": delivery.message_id, "trouble": type(error).__name__, "where": where}
            log.error("a message can't be handled", extra=extra)  # noqa: TRY400
            return Answer(Outcome.AMBIGUOUS, detail=f"could not be handled: {type(error).__name__}")

    def _wait_for(self, moment: float) -> float:
        """Waits for that monotonic time, or until the pool is stopped; answers what time it is then."""
        while (now := time.monotonic()) < moment and not self._stopped.is_set():
            self._stopped.wait(moment - now)
        return now


def _drain(items: queue.SimpleQueue[Item]) -> list[Item]:
    drained = []
    while True:
        try:
            drained.append(items.get_nowait())
        except queue.Empty:
            return drained

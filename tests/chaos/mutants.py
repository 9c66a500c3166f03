"""`python -m tests.chaos.mutants NAME`: a worker with a fault. A checker that cannot fail proves nothing.

Each mutant names the scene that gives its fault a chance, and the invariant that it violates.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NamedTuple

from tests.chaos import mutations
from worker import __main__ as worker_main
from worker import settings
from worker.lanes import circuit_breaker
from worker.maintenance import thread


class Mutant(NamedTuple):
    """A fault, the scene that makes it bite, and the invariant that it violates."""

    mutate: Callable[[], None]
    scene: str
    violates: str


MUTANTS = {
    "sound": Mutant(mutations.sound, "", ""),
    "lease-check-dropped": Mutant(mutations.lease_check_dropped, "stall", "lawful moves"),
    "claim-committed-late": Mutant(mutations.claim_committed_late, "rush", "claimed first"),
    "new-id-on-repeat": Mutant(mutations.new_id_on_repeat, "answers", "claimed first"),
    "body-changed-on-repeat": Mutant(mutations.body_changed_on_repeat, "answers", "same body"),
    "window-forgotten": Mutant(mutations.window_forgotten, "window", "inside the window"),
    "window-forgotten-by-senders": Mutant(mutations.window_forgotten_by_senders, "window", "inside the window"),
    "pause-ignored": Mutant(mutations.pause_ignored, "pause", "stopped is stopped"),
    "cancel-ignored": Mutant(mutations.cancel_ignored, "pause", "stopped is stopped"),
    "changes-ignored-in-hand": Mutant(mutations.changes_ignored_in_hand, "change in hand", "changes reach"),
    "claim-without-row-lock": Mutant(mutations.claim_without_row_lock, "rush", "lawful moves"),
    "attempt-not-counted": Mutant(mutations.attempt_not_counted, "answers", "claimed first"),
    "lost-claim-forgotten": Mutant(mutations.lost_claim_forgotten, "death", "repeats explained"),
    "taken-back-too-early": Mutant(mutations.taken_back_too_early, "window", "lawful moves"),
    "late-acceptance-ignored": Mutant(mutations.late_acceptance_ignored, "late answer", "acceptance kept"),
    "sent-without-answer": Mutant(mutations.sent_without_answer, "answers", "sent was accepted"),
    "refusal-taken-for-success": Mutant(mutations.refusal_taken_for_success, "answers", "sent was accepted"),
    "ambiguity-taken-for-refusal": Mutant(mutations.ambiguity_taken_for_refusal, "answers", "repeats explained"),
    "doubt-forgotten": Mutant(mutations.doubt_forgotten, "answers", "doubt told"),
    "hold-forgotten": Mutant(mutations.hold_forgotten, "answers", "hold held"),
    "repeated-in-the-transport": Mutant(mutations.repeated_in_the_transport, "answers", "claimed first"),
    "attempts-unlimited": Mutant(mutations.attempts_unlimited, "answers", "attempts limited"),
    "sent-before-due": Mutant(mutations.sent_before_due, "answers", "lawful moves"),
    "given-back-in-flight": Mutant(mutations.given_back_in_flight, "stop", "claimed first"),
    "text-kept-when-given-back": Mutant(mutations.text_kept_when_given_back, "stop", "edits reach"),
    "phone-kept-when-given-back": Mutant(mutations.phone_kept_when_given_back, "stop", "edits reach"),
    "leaver-written-to": Mutant(mutations.leaver_written_to, "answers", "stopped is stopped"),
    "lost-claim-kept": Mutant(mutations.lost_claim_kept, "death", "an end"),
    "lease-forgotten-by-senders": Mutant(mutations.lease_forgotten_by_senders, "stop", "lease respected"),
    "sent-twice-at-once": Mutant(mutations.sent_twice_at_once, "window", "no overlap"),
    "pace-ignored": Mutant(mutations.pace_ignored, "pace", "paced"),
    "slots-given-twice": Mutant(mutations.slots_given_twice, "pace", "paced"),
    "refusals-not-kept": Mutant(mutations.refusals_not_kept, "answers", "attempts kept"),
    "success-taken-for-refusal": Mutant(mutations.success_taken_for_refusal, "answers", "answers read"),
    "chunk-launched-twice": Mutant(mutations.chunk_launched_twice, "launch", "one message"),
    "client-skipped": Mutant(mutations.client_skipped, "launch", "one message"),
    "newcomers-launched": Mutant(mutations.newcomers_launched, "launch", "one message"),
    "audience-counted-twice": Mutant(mutations.audience_counted_twice, "launch", "conservation"),
    "settled-too-early": Mutant(mutations.settled_too_early, "stop", "lawful moves"),
    "settled-by-an-old-snapshot": Mutant(mutations.settled_by_an_old_snapshot, "retry", "an end"),
    "crash-on-garbage": Mutant(mutations.crash_on_garbage, "answers", "stayed alive"),
}
"""By name."""

EVERYDAY = (
    "lease-check-dropped",
    "claim-committed-late",
    "new-id-on-repeat",
    "body-changed-on-repeat",
    "window-forgotten",
    "pause-ignored",
    "changes-ignored-in-hand",
    "lost-claim-forgotten",
    "late-acceptance-ignored",
    "refusal-taken-for-success",
    "doubt-forgotten",
    "hold-forgotten",
    "attempts-unlimited",
    "text-kept-when-given-back",
    "lost-claim-kept",
    "sent-twice-at-once",
    "pace-ignored",
    "refusals-not-kept",
    "success-taken-for-refusal",
    "client-skipped",
    "audience-counted-twice",
    "settled-by-an-old-snapshot",
    "crash-on-garbage",
)
"""One for each invariant that workers can violate, and the faults that are made most easily."""


def hurry() -> None:
    """Shorter than anybody would set it, so that a scene with a lease that runs out takes two seconds."""
    settings.LEASE_MARGIN = 0.3
    thread.ROUND_SECONDS = 0.25
    circuit_breaker.PAUSE_BASE = 0.1


def main() -> int:
    """Runs the worker with the fault that the command line names; with `--hurry`, by shorter times."""
    name, *options = sys.argv[1:]
    if "--hurry" in options:
        hurry()
    MUTANTS[name].mutate()
    return worker_main.main()


if __name__ == "__main__":
    sys.exit(main())

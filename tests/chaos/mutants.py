"""`python -m tests.chaos.mutants NAME`: a worker with a fault. A checker that cannot fail proves nothing.

Each mutant names the scenario that gives its fault a chance, and the invariant that it violates.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NamedTuple

from shared.gateways import infobip
from tests.chaos import gateway_mutations, mutations, receipt_mutations, rule_mutations
from worker import __main__ as worker_main
from worker import settings
from worker.lanes import circuit_breaker
from worker.maintenance import failover, thread


class Mutant(NamedTuple):
    """A fault, the scenario that makes it bite, and the invariant that it violates."""

    mutate: Callable[[], None]
    scenario: str
    violates: str


MUTANTS = {
    "unmodified": Mutant(mutations.unmodified, "", ""),
    "lease-check-dropped": Mutant(mutations.lease_check_dropped, "stalled worker", "legal transitions"),
    "claim-committed-late": Mutant(mutations.claim_committed_late, "claim race", "claimed first"),
    "new-id-on-repeat": Mutant(mutations.new_id_on_repeat, "mixed answers", "claimed first"),
    "body-changed-on-repeat": Mutant(mutations.body_changed_on_repeat, "mixed answers", "same body"),
    "values-not-fixed": Mutant(mutations.values_not_fixed, "mixed answers", "same body"),
    "filled-in-anew": Mutant(mutations.filled_in_anew, "mixed answers", "same body"),
    "values-kept-when-given-back": Mutant(mutations.values_kept_when_given_back, "stop", "edits applied"),
    "window-forgotten": Mutant(mutations.window_forgotten, "window closes", "inside the window"),
    "window-forgotten-by-senders": Mutant(mutations.window_forgotten_by_senders, "window closes", "inside the window"),
    "pause-ignored": Mutant(mutations.pause_ignored, "pause", "nothing claimed when stopped"),
    "cancel-ignored": Mutant(mutations.cancel_ignored, "pause", "nothing claimed when stopped"),
    "changes-ignored-in-flight": Mutant(mutations.changes_ignored_in_flight, "change in flight", "changes take effect"),
    "claim-without-row-lock": Mutant(mutations.claim_without_row_lock, "claim race", "legal transitions"),
    "attempt-not-counted": Mutant(mutations.attempt_not_counted, "mixed answers", "claimed first"),
    "lost-claim-forgotten": Mutant(mutations.lost_claim_forgotten, "killed worker", "repeats explained"),
    "taken-back-too-early": Mutant(mutations.taken_back_too_early, "window closes", "legal transitions"),
    "late-acceptance-ignored": Mutant(mutations.late_acceptance_ignored, "late answer", "acceptance recorded"),
    "sent-without-answer": Mutant(mutations.sent_without_answer, "mixed answers", "sent was accepted"),
    "refusal-taken-for-success": Mutant(mutations.refusal_taken_for_success, "mixed answers", "sent was accepted"),
    "ambiguity-taken-for-refusal": Mutant(mutations.ambiguity_taken_for_refusal, "mixed answers", "repeats explained"),
    "doubt-forgotten": Mutant(mutations.doubt_forgotten, "mixed answers", "doubt recorded"),
    "hold-forgotten": Mutant(mutations.hold_forgotten, "mixed answers", "hold respected"),
    "repeated-in-the-transport": Mutant(mutations.repeated_in_the_transport, "mixed answers", "claimed first"),
    "attempts-unlimited": Mutant(mutations.attempts_unlimited, "mixed answers", "attempts limited"),
    "sent-before-due": Mutant(mutations.sent_before_due, "mixed answers", "legal transitions"),
    "given-back-in-flight": Mutant(mutations.given_back_in_flight, "stop", "claimed first"),
    "text-kept-when-given-back": Mutant(mutations.text_kept_when_given_back, "stop", "edits applied"),
    "phone-kept-when-given-back": Mutant(mutations.phone_kept_when_given_back, "stop", "edits applied"),
    "removed-client-written-to": Mutant(
        mutations.removed_client_written_to, "mixed answers", "nothing claimed when stopped"
    ),
    "lost-claim-kept": Mutant(mutations.lost_claim_kept, "killed worker", "final status"),
    "lease-forgotten-by-senders": Mutant(mutations.lease_forgotten_by_senders, "stop", "lease respected"),
    "sent-twice-at-once": Mutant(mutations.sent_twice_at_once, "window closes", "no overlap"),
    "rate-limit-ignored": Mutant(mutations.rate_limit_ignored, "rate limit", "rate limited"),
    "slots-given-twice": Mutant(mutations.slots_given_twice, "rate limit", "rate limited"),
    "batch-deleted-unclaimed": Mutant(mutations.batch_deleted_unclaimed, "mixed answers", "queued"),
    "rest-of-batch-lost": Mutant(mutations.rest_of_batch_lost, "claim race", "queued"),
    "retries-not-queued": Mutant(mutations.retries_not_queued, "mixed answers", "queued"),
    "claim-deleted-while-sending": Mutant(mutations.claim_deleted_while_sending, "mixed answers", "held"),
    "skipped-message-forgotten": Mutant(mutations.skipped_message_forgotten, "killed worker", "held"),
    "claims-left": Mutant(mutations.claims_left, "claim race", "claims end"),
    "refusals-not-kept": Mutant(mutations.refusals_not_kept, "mixed answers", "attempts recorded"),
    "success-taken-for-refusal": Mutant(mutations.success_taken_for_refusal, "mixed answers", "answers recorded"),
    "chunk-launched-twice": Mutant(mutations.chunk_launched_twice, "launch", "one message"),
    "client-skipped": Mutant(mutations.client_skipped, "launch", "one message"),
    "newcomers-launched": Mutant(mutations.newcomers_launched, "launch", "one message"),
    "excluded-segment-forgotten": Mutant(mutations.excluded_segment_forgotten, "listed launch", "one message"),
    "listed-chunk-launched-twice": Mutant(mutations.listed_chunk_launched_twice, "listed launch", "one message"),
    "audience-counted-twice": Mutant(mutations.audience_counted_twice, "launch", "conservation"),
    "settled-too-early": Mutant(mutations.settled_too_early, "stop", "legal transitions"),
    "settled-by-an-old-snapshot": Mutant(mutations.settled_by_an_old_snapshot, "retry", "final status"),
    "doubt-sent-elsewhere": Mutant(gateway_mutations.doubt_sent_elsewhere, "failover", "doubt stays"),
    "doubt-queued-elsewhere": Mutant(gateway_mutations.doubt_queued_elsewhere, "failover", "doubt stays"),
    "no-failover": Mutant(gateway_mutations.no_failover, "gateway lost", "final status"),
    "no-return": Mutant(gateway_mutations.no_return, "failover", "load returns"),
    "sender-changed-on-repeat": Mutant(gateway_mutations.sender_changed_on_repeat, "look-ups", "same body"),
    "not-asked": Mutant(gateway_mutations.not_asked, "look-ups", "look-ups read"),
    "not-found-taken-for-found": Mutant(gateway_mutations.not_found_taken_for_found, "look-ups", "taken where named"),
    "found-taken-for-not-found": Mutant(gateway_mutations.found_taken_for_not_found, "look-ups", "look-ups read"),
    "unclear-taken-for-not-found": Mutant(gateway_mutations.unclear_taken_for_not_found, "look-ups", "look-ups read"),
    "unclear-ends-doubt": Mutant(gateway_mutations.unclear_ends_doubt, "look-ups", "legal transitions"),
    "new-id-at-look-up-gateway": Mutant(gateway_mutations.another_message_id, "look-ups", "claimed first"),
    "account-refusals-counted": Mutant(
        gateway_mutations.account_refusals_counted, "account refused", "attempts counted"
    ),
    "receipt-dropped": Mutant(receipt_mutations.receipt_dropped, "receipts", "receipts kept"),
    "last-one-wins": Mutant(receipt_mutations.last_one_wins, "receipts", "delivery folded"),
    "part-forgotten": Mutant(receipt_mutations.part_forgotten, "receipts", "delivery folded"),
    "matched-without-the-gateway": Mutant(
        receipt_mutations.matched_without_the_gateway, "receipts", "receipts matched"
    ),
    "orphan-not-adopted": Mutant(receipt_mutations.orphan_not_adopted, "receipts", "delivery folded"),
    "adopted-without-the-lock": Mutant(receipt_mutations.adopted_without_the_lock, "receipts", "delivery folded"),
    "doubt-not-settled": Mutant(receipt_mutations.doubt_not_settled, "receipts", "doubts settled"),
    "silence-called-undelivered": Mutant(receipt_mutations.silence_called_undelivered, "receipts", "delivery folded"),
    "counts-without-delivery": Mutant(receipt_mutations.counts_without_delivery, "receipts", "deliveries conserved"),
    "wait-ended-for-all": Mutant(receipt_mutations.wait_ended_for_all, "receipts", "delivery final"),
    "answered-before-the-commit": Mutant(mutations.unmodified, "receipts", "receipts kept"),  # a fault of the API
    "suppressed-at-the-launch-only": Mutant(
        rule_mutations.suppressed_at_the_launch_only, "suppressions", "suppressions respected"
    ),
    "suppressions-read-before-the-lease": Mutant(
        rule_mutations.suppressions_read_before_the_lease, "suppressions", "suppressions respected"
    ),
    # a fault of the API
    "suppressed-messages-left": Mutant(mutations.unmodified, "suppressions", "suppressions respected"),
    "withdrawal-counted": Mutant(rule_mutations.withdrawal_counted, "suppressions", "legal transitions"),
    "doubt-withdrawn-as-cancelled": Mutant(
        rule_mutations.doubt_withdrawn_as_cancelled, "suppressions", "doubt recorded"
    ),
    "local-window-at-the-launch-only": Mutant(
        rule_mutations.local_window_at_the_launch_only, "local windows", "inside the local window"
    ),
    "local-window-by-a-wrong-clock": Mutant(
        rule_mutations.local_window_by_a_wrong_clock, "local windows", "inside the local window"
    ),
    "local-window-forgotten-by-senders": Mutant(
        rule_mutations.local_window_forgotten_by_senders, "local window closes", "inside the local window"
    ),
    "cap-not-locked": Mutant(rule_mutations.cap_not_locked, "caps", "caps respected"),
    "crash-on-garbage": Mutant(mutations.crash_on_garbage, "mixed answers", "no crash"),
}
"""By name."""

DEFAULT_MUTANTS = (
    "lease-check-dropped",
    "claim-committed-late",
    "body-changed-on-repeat",
    "values-not-fixed",
    "window-forgotten",
    "pause-ignored",
    "changes-ignored-in-flight",
    "lost-claim-forgotten",
    "late-acceptance-ignored",
    "refusal-taken-for-success",
    "doubt-forgotten",
    "hold-forgotten",
    "attempts-unlimited",
    "text-kept-when-given-back",
    "lost-claim-kept",
    "lease-forgotten-by-senders",
    "sent-twice-at-once",
    "rate-limit-ignored",
    "rest-of-batch-lost",
    "claim-deleted-while-sending",
    "claims-left",
    "refusals-not-kept",
    "success-taken-for-refusal",
    "client-skipped",
    "excluded-segment-forgotten",
    "audience-counted-twice",
    "suppressed-at-the-launch-only",
    "local-window-at-the-launch-only",
    "cap-not-locked",
    "crash-on-garbage",
)
"""One for each invariant that workers can violate."""


def shorten_waits_for_gateways() -> None:
    """A gateway is asked, and gets its messages again, soon enough to happen often in a run of a minute."""
    infobip.InfobipAdapter.look_up_after = 1.0
    failover.HOLD_SECONDS, failover.LONGEST_HOLD_SECONDS = 2.0, 8.0


def shorten_intervals() -> None:
    """Shorter than anybody would set it, so that a scenario with a lease that runs out takes two seconds."""
    settings.LEASE_MARGIN = 0.3
    thread.ROUND_SECONDS = 0.25
    infobip.InfobipAdapter.look_up_after = 0.3
    failover.HOLD_SECONDS, failover.LONGEST_HOLD_SECONDS = 0.5, 1.0
    circuit_breaker.PAUSE_BASE = 0.1


def main() -> int:
    """Runs the worker with the fault that the command line names; with `--short-intervals`, by shorter times."""
    name, *options = sys.argv[1:]
    shorten_waits_for_gateways()
    if "--short-intervals" in options:
        shorten_intervals()
    MUTANTS[name].mutate()
    return worker_main.main()


if __name__ == "__main__":
    sys.exit(main())

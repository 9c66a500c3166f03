"""What a run leaves behind: both ledgers, the history of every row, and what was done from outside.

All moments are seconds since the epoch. The database, the gateway and the tests share one machine and so one clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from shared.domain.reasons import ReasonCode
from shared.domain.results import TAKEN
from shared.gateways.base import DEFAULT_GATEWAY, DEFAULT_GATEWAY_ID, Capabilities, LookUp
from shared.gateways.registry import PROVIDERS

DELETED = "deleted"
"""The status of a message's last move when its row is gone."""

_LOOKED_UP: Mapping[str, LookUp] = {
    ReasonCode.LOOK_UP_FOUND: LookUp.FOUND,
    ReasonCode.LOOK_UP_REFUSED: LookUp.REFUSED,
    ReasonCode.LOOK_UP_FAILED: LookUp.UNCLEAR,
    ReasonCode.LOOK_UP_NOT_FOUND: LookUp.NOT_FOUND,
}
_ONLY_ASKED = (ReasonCode.LOOK_UP_FOUND, ReasonCode.LOOK_UP_REFUSED, ReasonCode.LOOK_UP_FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the workers run with, and how exact the clocks are. Durations are in seconds."""

    gateway_timeout: float = 1.5
    lease_seconds: float = 6.5
    poll_seconds: float = 0.3
    retry_base_seconds: float = 0.2
    retry_max_seconds: float = 3.0
    retry_after_max_seconds: float = 2.0
    stop_seconds: float = 10.0
    max_attempts: int = 50
    concurrency: int = 8
    launch_chunk: int = 100
    gateway_rate: float = 0.0
    """Requests a second; 0 is no limit."""
    travel: float = 1.0
    """From the worker's last look at the clock to the gateway's: both may have to wait for a busy machine's processor,
    with six processes for each core up to 0.4 s. The ledger's own `started_at` is compared without it."""


class MessageMove(NamedTuple):
    """A row of `message` as a transaction left it."""

    message_id: int
    mailing_id: int
    client_id: int
    phone_number: int
    status: str
    attempts: int
    uncounted_attempts: int
    in_doubt: bool
    text_revision: int | None
    due_at: float
    claim_id: int | None
    lease_until: float | None
    """That of its claim, like `worker`; None unless it is sending, or if there is no such claim."""
    worker: str | None
    reason_code: str | None
    began_at: float
    """When its transaction began: now() in all its statements."""
    committed_at: float
    """Just before anybody could know of it."""
    by: str
    """The application_name of the connection."""
    path_id: int = 1
    gateway_id: int | None = None
    """The gateway of its last claim; of one in doubt, the gateway that may have it."""
    delivery: str | None = None
    delivery_reason: str | None = None
    conflicting: bool = False
    parts: int | None = None
    parts_delivered: int | None = None
    text_values: Sequence[str | None] | None = None


class Text(NamedTuple):
    """A row of `mailing_text`, which never changes."""

    mailing_id: int
    revision: int
    text: str
    fields: Sequence[str] | None = None


class MailingMove(NamedTuple):
    """A row of `mailing` as a transaction left it."""

    mailing_id: int
    mark: str
    start_datetime: float
    end_datetime: float
    status: str
    on_unknown: str
    text_revision: int
    audience: int
    launch_started: bool
    launched: bool
    settled: bool
    removed: bool
    present: bool
    began_at: float
    committed_at: float
    by: str
    listed: bool = False
    segment_tree: Any = None
    """The syntax tree of its segment as JSON; None for a mark."""
    excluded_trees: Any = None
    """What was left out when it was listed: objects with `id` and `tree`."""
    kind: str = "marketing"
    local_from: int | None = None
    """Of its local window, in minutes of the day like `local_until`; None without one."""
    local_until: int | None = None
    local_weekdays: int | None = None
    default_timezone: str | None = None


class ClientMove(NamedTuple):
    """A row of `client` as a transaction left it."""

    client_id: int
    phone_number: int
    operator_code: str
    tag: str
    present: bool
    began_at: float
    committed_at: float
    name: str | None = None
    """The value of the field `name`."""
    timezone: str = ""


class SuppressionMove(NamedTuple):
    """A row of `suppression` as a transaction left it."""

    suppression_id: int
    phone_number: int | None
    scope: str
    gateway_id: int | None
    lifted: bool
    began_at: float
    committed_at: float


class Cap(NamedTuple):
    """A row of `message_cap`, at the end: at most so many marketing messages to one number in so many hours."""

    messages: int
    period_hours: int


class BatchMove(NamedTuple):
    """A row of `queue_batch` as a transaction left it."""

    batch_id: int
    mailing_id: int
    due_at: float
    message_ids: Sequence[int]
    present: bool
    committed_at: float
    by: str
    path_id: int = 1


class ClaimMove(NamedTuple):
    """A row of `claim` as a transaction left it."""

    claim_id: int
    worker: str
    lease_until: float
    message_ids: Sequence[int]
    present: bool
    committed_at: float
    by: str


class Attempt(NamedTuple):
    """A row of `attempt` as a transaction left it."""

    message_id: int
    number: int
    started_at: float
    duration: float | None
    result: str
    provider_code: str | None
    late_result: str | None
    worker: str
    present: bool = True
    committed_at: float = float("inf")
    gateway: str = DEFAULT_GATEWAY
    reason_code: str | None = None
    look_up: str | None = None
    """What a look-up before the submission had said, if the reason is another one."""
    provider_message_id: str | None = None

    @property
    def looked_up(self) -> LookUp | None:
        """What the gateway said when it was asked about earlier attempts; None if it was not asked."""
        return _LOOKED_UP.get(self.reason_code or "") or (LookUp(self.look_up) if self.look_up else None)

    @property
    def only_asked(self) -> bool:
        """Whether it submitted nothing."""
        return self.reason_code in _ONLY_ASKED

    @property
    def settles(self) -> bool:
        """Whether the gateway has said that nothing came of the attempts before."""
        return self.looked_up in (LookUp.NOT_FOUND, LookUp.REFUSED)

    @property
    def lost(self) -> bool:
        """Whether its lease expired before a result was recorded."""
        return self.duration is None or self.came_late

    @property
    def came_late(self) -> bool:
        """Whether its result came when it had been given up."""
        return self.late_result is not None

    @property
    def accepted(self) -> bool:
        """Whether the worker had an acceptance in its hands, in time or late."""
        return bool(TAKEN & {self.result, self.late_result})

    @property
    def may_be_taken(self) -> bool:
        """Whether its request may have been accepted by the gateway, as the ledger has it."""
        return self.result in ("accepted", "ambiguous")


class GatewayFact(NamedTuple):
    """A gateway, as it was added."""

    gateway_id: int
    name: str
    provider: str
    receipts: bool = False
    """Whether it reports deliveries."""
    receipt_url: str = ""
    """To this address."""

    @property
    def capabilities(self) -> Capabilities:
        """What its provider can do."""
        return PROVIDERS[self.provider].capabilities


class PathMove(NamedTuple):
    """A row of `path` as a transaction left it."""

    path_id: int
    route_id: int | None
    gateway_ids: Sequence[int]
    gateway_id: int | None
    """The gateway that gets its messages."""
    committed_at: float


class Request(NamedTuple):
    """A request to submit a message, as the gateway has it: the fields of Entry, and the gateway."""

    sequence: int
    id: int
    phone: int | None
    body_hash: str
    token_ok: bool
    outcome: str
    status: int | None
    started_at: float
    accepted_at: float | None
    answered_at: float | None
    contract: str = "gonets"
    gateway: str = DEFAULT_GATEWAY


class AskedFor(NamedTuple):
    """A look-up, as the gateway has it: the fields of LookUp, and the gateway."""

    id: int
    at: float
    taken: bool
    outcome: str
    gateway: str = DEFAULT_GATEWAY


class ReportedReceipt(NamedTuple):
    """A receipt of a gateway, as the gateway has it."""

    gateway: str
    sequence: int
    about: str
    """`own`; `foreign`: of a message of nobody, or of another gateway; `forged`: it must be refused."""
    message_id: int
    """Of the message that it is about; 0 if there is none."""
    named_id: int
    """Our id, as far as the receipt has it; else 0."""
    provider_message_id: str
    phone: int
    state: str
    reason: str | None
    code: str | None
    at: float | None
    """When it happened, as it says."""
    part: int | None
    parts: int | None
    acknowledged_at: float | None
    """When it was answered with a success; None if it never was."""


class StoredReceipt(NamedTuple):
    """A receipt in the database, at the end."""

    table: str
    """`receipt`, `receipt_queue` or `receipt_orphan`."""
    message_id: int | None
    gateway_id: int
    provider_message_id: str | None
    state: str
    reason: str | None
    part: str | None
    copies: int
    """How often it came."""


class Sample(NamedTuple):
    """One mailing in one snapshot of the database."""

    at: float
    mailing_id: int
    audience: int
    tallied: Mapping[str, int]
    counted: Mapping[str, int]
    tallied_deliveries: Mapping[str, int] = {}
    """Of the sent ones."""
    counted_deliveries: Mapping[str, int] = {}


class Call(NamedTuple):
    """A call of the API. Unanswered, it may or may not have happened."""

    method: str
    path: str
    body: Mapping[str, Any] | None
    sent_at: float
    answered_at: float
    status: int | None
    said: Any
    key: str | None = None
    """Its Idempotency-Key."""


class Event(NamedTuple):
    """Something that was done to a process, the network or the gateway; or that happened by itself."""

    at: float
    what: str
    who: str = ""
    """A worker's is the beginning of the name that it signs with."""
    detail: str = ""


class Stall(NamedTuple):
    """A worker that stood still."""

    who: str
    since: float
    until: float


@dataclass(slots=True, kw_only=True)
class Facts:
    """All that the checker knows."""

    settings: Settings = field(default_factory=Settings)
    messages: Sequence[MessageMove] = ()
    mailings: Sequence[MailingMove] = ()
    clients: Sequence[ClientMove] = ()
    suppressions: Sequence[SuppressionMove] = ()
    caps: Sequence[Cap] = ()
    batches: Sequence[BatchMove] = ()
    claims: Sequence[ClaimMove] = ()
    attempts: Sequence[Attempt] = ()
    """Each is there twice if it was completed later."""
    texts: Sequence[Text] = ()
    requests: Sequence[Request] = ()
    """The gateways' ledgers, refused requests included."""
    look_ups: Sequence[AskedFor] = ()
    reported: Sequence[ReportedReceipt] = ()
    stored: Sequence[StoredReceipt] = ()
    gateways: Sequence[GatewayFact] = (GatewayFact(DEFAULT_GATEWAY_ID, DEFAULT_GATEWAY, "gonets"),)
    paths: Sequence[PathMove] = ()
    samples: Sequence[Sample] = ()
    """Those that differ from the one before of the same mailing."""
    snapshots: int = 0
    """How many snapshots were taken."""
    calls: Sequence[Call] = ()
    events: Sequence[Event] = ()

    def stalls(self) -> list[Stall]:
        """The times from each SIGSTOP to its SIGCONT."""
        stalls = []
        since: dict[str, float] = {}
        for event in self.events:
            if event.what == "stop":
                since[event.who] = event.at
            elif event.what == "continue" and event.who in since:
                stalls.append(Stall(event.who, since.pop(event.who), event.at))
        return stalls


class Violation(NamedTuple):
    """An invariant that does not hold."""

    invariant: str
    said: str
    message_id: int | None = None
    mailing_id: int | None = None

"""The tables, by area. Only the API and the migrations import it: the worker does not use SQLAlchemy."""

from shared.schema.access import ApiKey, AuditEntry, BrowserSession, CookieSecret, IdempotencyRecord, SignInLink
from shared.schema.base import (
    ATTEMPT_RESULT,
    GATEWAY_HEALTH,
    INFINITY,
    MAILING_STATUS,
    MESSAGE_STATUS,
    ON_UNKNOWN,
    ROLE,
    Base,
)
from shared.schema.clients import Client
from shared.schema.gateways import Gateway, GatewayAvailability, Path, Route
from shared.schema.mailings import Mailing, MailingDraft, MailingDraftVersion, MailingEvent, MailingText
from shared.schema.messages import Attempt, LedgerPartition, Message, MessageCountDelta, MessageUnsent
from shared.schema.queue import Claim, QueueBatch
from shared.schema.worker_reports import DailyReport, GatewayContact, RateLimit, WorkerReport

__all__ = [
    "ATTEMPT_RESULT",
    "GATEWAY_HEALTH",
    "INFINITY",
    "MAILING_STATUS",
    "MESSAGE_STATUS",
    "ON_UNKNOWN",
    "ROLE",
    "ApiKey",
    "Attempt",
    "AuditEntry",
    "Base",
    "BrowserSession",
    "Claim",
    "Client",
    "CookieSecret",
    "DailyReport",
    "Gateway",
    "GatewayAvailability",
    "GatewayContact",
    "IdempotencyRecord",
    "LedgerPartition",
    "Mailing",
    "MailingDraft",
    "MailingDraftVersion",
    "MailingEvent",
    "MailingText",
    "Message",
    "MessageCountDelta",
    "MessageUnsent",
    "Path",
    "QueueBatch",
    "RateLimit",
    "Route",
    "SignInLink",
    "WorkerReport",
]

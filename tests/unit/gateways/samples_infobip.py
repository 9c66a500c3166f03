"""Answers of Infobip, by the result that they have. {id} and {phone} stand for those of the message."""

from __future__ import annotations

from tests.submit_results import Answer
from tests.unit.gateways.conformance import Samples

GROUPS = {
    0: "ACCEPTED",
    1: "PENDING",
    2: "UNDELIVERABLE",
    3: "DELIVERED",
    4: "EXPIRED",
    5: "REJECTED",
    9: "UNHEARD_OF",
}


def sent(group: int, code: int, name: str, message_id: str = "{id}", phone: str = "{phone}") -> Answer:
    """An answer about one message with this status."""
    body = (
        f'{{"bulkId": "20340722196", "messages": [{{"messageId": "{message_id}", "destination": "{phone}", "status": '
        f'{{"groupId": {group}, "groupName": "{GROUPS[group]}", "id": {code}, "name": "{name}", "description": "It"}}, '
        f'"details": {{"messageCount": 1}}}}]}}'
    )
    return Answer(200, {"Content-Type": "application/json"}, body.encode())


def failed(status: int, code: str, description: str, **headers: str) -> Answer:
    """An answer with an error of the platform."""
    body = f'{{"errorCode": "{code}", "description": "{description}", "action": "", "violations": [], "resources": []}}'
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, body.encode())


SAMPLES: Samples = {
    "accepted": [sent(1, 26, "PENDING_ACCEPTED"), sent(1, 7, "PENDING_ENROUTE"), sent(3, 2, "DELIVERED_TO_OPERATOR")],
    "refused": [
        sent(5, 8, "REJECTED_PREFIX_MISSING"),
        sent(5, 52, "REJECTED_DESTINATION"),
        sent(2, 9, "UNDELIVERABLE_NOT_DELIVERED"),
        failed(400, "E400", "Request cannot be processed."),
    ],
    "retriable": [sent(5, 21, "REJECTED_SYSTEM_ERROR")],
    "throttled": [
        failed(429, "E429", "Too many requests sent.", Retry_After="7"),
        failed(429, "E429", "Too many requests sent."),
        sent(5, 20, "REJECTED_FLOODING_FILTER"),
    ],
    "misconfigured": [
        failed(401, "E401", "The request lacks valid authentication credentials."),
        failed(403, "E403", "Insufficient permissions."),
        sent(5, 11, "REJECTED_SOURCE"),
        sent(5, 13, "REJECTED_SENDER"),
        sent(5, 19, "REJECTED_ROUTE_NOT_AVAILABLE"),
    ],
    "no_credit": [sent(5, 12, "REJECTED_NOT_ENOUGH_CREDITS"), sent(5, 17, "REJECTED_PREPAID_PACKAGE_EXPIRED")],
    "opted_out": [sent(5, 10, "REJECTED_DND"), sent(5, 14, "REJECTED_DESTINATION_BLOCKLISTED")],
    "duplicate": [sent(5, 23, "REJECTED_DUPLICATE_MESSAGE_ID")],
    "ambiguous": [
        failed(500, "E500", "Something went wrong."),
        Answer(200, {}, b""),
        Answer(200, {}, b"<html>Welcome</html>"),
        Answer(200, {}, b'{"messages": []}'),
        Answer(200, {}, b'{"messages": [{"messageId": "{id}", "status": {"id": "26"}}]}'),
        sent(9, 999, "UNHEARD_OF"),
    ],
    "other_id": [sent(1, 26, "PENDING_ACCEPTED", "{id}", "41793026727")],
}

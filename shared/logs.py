"""Structured logs: JSON lines for machines, short lines for a person at a terminal.

Every record may carry `mailing_id`, `message_id` and `client_id` (pass them as `extra`). A phone number is masked
before it gets here (`mask_phone`); a message's text and the gateway's token are never logged.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

# The attributes of every LogRecord (Python library reference, logging): what is not among them came as `extra`.
_STANDARD = frozenset(vars(logging.LogRecord("", 0, "", 0, "", None, None))) | {
    "message",
    "asctime",
    "taskName",
}


def configure_logs(level: str, form: str) -> None:
    """Sends all logs to standard error. `form` is `json`, `text`, or `auto`: text on a terminal, JSON elsewhere."""
    if form == "auto":
        form = "text" if sys.stderr.isatty() else "json"
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # urllib3 logs every connection and retry; the attempts in the ledger have the same with more detail.
    logging.getLogger("urllib3").setLevel(logging.ERROR)


def mask_phone(phone_number: int) -> str:
    """A masked phone number, which only a reader who knows the number can recognise: 7***4567."""
    digits = str(phone_number)
    return f"{digits[0]}***{digits[-4:]}"


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (UTC, RFC 3339), level, logger, event, then whatever the record carries."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        entry.update(_carried(record))
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """The same for a person: 14:05:09 INFO worker: claimed messages=32."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).astimezone().strftime("%H:%M:%S")
        carried = "".join(f" {key}={value}" for key, value in _carried(record).items())
        line = f"{time} {record.levelname:<7} {record.name}: {record.getMessage()}{carried}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


def _carried(record: logging.LogRecord) -> dict[str, object]:
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}

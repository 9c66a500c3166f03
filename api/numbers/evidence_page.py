"""The document about a number as a page to be read and printed: sentences in the order of time.

Sentences are written to a temporary file as they are read; only when each happened, and where it is in the file, is
kept in memory, some 200 bytes for each.
"""

from __future__ import annotations

from datetime import datetime
from operator import itemgetter
from typing import IO, NamedTuple

from flask_babel import get_locale, lazy_gettext
from flask_babel import gettext as _
from markupsafe import escape

from api.numbers.evidence_document import NOTES, Evidence, Made, snapshot, temporary_file
from api.numbers.evidence_sentences import events
from shared.version import VERSION

NAMES = {
    "clients": lazy_gettext("Clients with this number"),
    "consents": lazy_gettext("Consents"),
    "suppressions": lazy_gettext("Suppressions"),
    "messages": lazy_gettext("Messages to the number"),
    "inbound_messages": lazy_gettext("Messages from the number"),
    "number_lists": lazy_gettext("Number lists with the number"),
    "erasures": lazy_gettext("Erasures"),
    "removed_ledgers": lazy_gettext("Mailings whose messages were removed"),
}
TRANSLATED_NOTES = {name: lazy_gettext(note) for name, note in NOTES.items()}


class _Line(NamedTuple):
    at: datetime
    start: int
    length: int


def html_page(phone_number: int) -> IO[bytes]:
    """The page, at its beginning."""
    lines: list[_Line] = []
    with temporary_file() as sentences:
        with snapshot() as made_at:
            evidence = Evidence(phone_number)
            for name, row in evidence.rows():
                for at, said in events(name, row):
                    # A wording is shown in the lines that it was agreed to in.
                    written = str(escape(said)).replace("\n", "<br>\n").encode()
                    lines.append(_Line(datetime.fromisoformat(at), sentences.tell(), sentences.write(written)))
            made = evidence.made(made_at)
        lines.sort(key=itemgetter(0))
        page = temporary_file()
        page.write(_beginning(made).encode())
        for line in lines:
            sentences.seek(line.start)
            page.write(b"<li><time>%s</time>: " % _shown(line.at).encode())
            page.write(sentences.read(line.length) + b".</li>\n")
        page.write(b"</ol>\n</body>\n</html>\n")
    page.seek(0)
    return page


def _shown(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _beginning(made: Made) -> str:
    title = escape(_("What is known about the number +%(number)s", number=made.phone_number))
    by = _(
        "Made on %(at)s UTC by %(who)s, with Gonets %(version)s.",
        at=f"{made.made_at:%Y-%m-%d %H:%M:%S}",
        who=made.made_by,
        version=VERSION,
    )
    notes = "".join(f"<p>{escape(TRANSLATED_NOTES[name])}</p>\n" for name in made.notes)
    counted = ((NAMES[part], count) for part, count in made.counts.items())
    counts = "".join(f"<tr><th>{escape(name)}</th><td>{count}</td></tr>\n" for name, count in counted)
    return (
        f'<!doctype html>\n<html lang="{get_locale()}">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n'
        f"</head>\n<body>\n<h1>{title}</h1>\n<p>{escape(by)}</p>\n{notes}<table>\n{counts}</table>\n"
        f"<h2>{escape(_('What happened, in the order of time'))}</h2>\n<ol>\n"
    )

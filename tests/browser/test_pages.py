"""Every page, in both languages: usable with a screen reader (axe-core), on a phone, and without errors."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import psycopg2
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from tests.browser.service import Service
from tests.database import DatabaseCleaner
from tests.factories import add_clients, add_mailing, execute

PAGES = (
    "/login/",  # before the link signs in
    "/",
    "/mailings/",
    "/mailings/?words=nothing",
    "/mailings/new/",
    "/mailings/drafts/1/",
    "/mailings/drafts/1/edit/",
    "/mailings/drafts/1/remove/",
    "/mailings/drafts/2/",
    "/mailings/drafts/2/versions/",
    "/mailings/1/",
    "/mailings/1/edit/",
    "/mailings/1/export/",
    "/mailings/1/texts/",
    "/mailings/1/test/",
    "/mailings/1/cancel/",
    "/mailings/2/",
    "/clients/",
    "/clients/new/",
    "/clients/import/",
    "/clients/export/",
    "/clients/1/",
    "/clients/1/edit/",
    "/clients/1/remove/",
    "/ledger/",
    "/ledger/1/",
    "/ledger/2/",
)
CONTRASTS = (
    *("/login/", "/", "/mailings/", "/mailings/drafts/1/", "/mailings/drafts/2/versions/"),
    *("/mailings/1/", "/mailings/1/edit/", "/mailings/1/cancel/", "/clients/import/", "/ledger/1/"),
)
"""Pages with one of each colour; to look at the contrast of all takes as long as all other rules together."""
ONE_ROW = 60
"""Pixels."""
SERIOUS = ("serious", "critical")
WORD = "Длинноеслово" * 25
"""Of 300 letters, with nothing to break a line at."""
LABEL = "everybody" * 11
"""As long as a tag may be, nearly."""
NAMED_BY_PEOPLE = f"""() => [...document.querySelectorAll("main *")].filter((element) =>
    [...element.childNodes].some((node) => node.nodeName === "#text" && /{WORD[:24]}|{LABEL[:18]}/.test(node.data))
    && element.closest("[dir]")?.dir !== "auto" && element.closest("script, template, noscript, option") === null
).map((element) => element.outerHTML)"""
"""Elements with what people have written, whose direction is not that of its letters."""

OF_LOOKS_AND_LANGUAGE = ("color-contrast", "html-has-lang", "html-lang-valid", "valid-lang", "document-title")
"""Rules whose outcome differs between the walks; the pages are built of the same elements in both."""

FILL = """
UPDATE mailing SET status = 'running', launch_started_at = now(), launched_at = now(), max_client_id = 7, audience = 7
WHERE id = 1;
INSERT INTO claim (worker, gateway, claimed_at, lease_until, message_ids)
VALUES ('worker', 'default', now(), now() + interval '1 h', '{2}');
INSERT INTO message (mailing_id, client_id, phone_number, status, attempts, text_revision, due_at, claim_id, sent_at,
    ended_at, reason_code, reason_params, in_doubt)
SELECT 1, n, 79000000000 + n, one, 1, 1, now() + interval '1 h',
    1, CASE one WHEN 'sent' THEN now() END,
    CASE WHEN one NOT IN ('pending', 'sending') THEN now() END,
    CASE one WHEN 'failed' THEN 'provider_said' WHEN 'expired' THEN 'window_closed' END,
    CASE one WHEN 'failed' THEN '{"words": "code 5: blocked"}'::jsonb END, one = 'unknown'
FROM unnest(enum_range(NULL::message_status)) WITH ORDINALITY AS each (one, n);
INSERT INTO attempt (message_id, number, started_at, duration, gateway, result, provider_code, reason_code,
    reason_params, worker)
SELECT id, 1, now(), 0.12, 'default',
    CASE status WHEN 'sent' THEN 'accepted' WHEN 'unknown' THEN 'ambiguous' ELSE 'refused' END::attempt_result, '200',
    'provider_said', jsonb_build_object('words', 'code 5: {WORD}'), '{LABEL}' FROM message;
INSERT INTO mailing_draft (fields, created_by, created_by_name) VALUES
    ('{"text": "Скидка: https://example.org/sale {WORD}", "mark": "{LABEL}-1", "on_unknown": "hold",
       "start_datetime": "2032-01-01T10:00:00Z", "end_datetime": "2032-01-02T10:00:00Z"}', 'key:1', 'Anna'),
    ('{"text": "Half a {WORD}"}', 'key:1', '{LABEL}');
INSERT INTO mailing_draft_version (draft_id, fields, written_at, written_by_name)
VALUES (2, '{"text": "{WORD}", "mark": "{LABEL}"}', now(), '{LABEL}');
UPDATE mailing_draft SET updated_by_name = created_by_name;
INSERT INTO mailing_event (mailing_id, action, actor_name, changes)
VALUES (1, 'edit', '{LABEL}', '{"mark": ["{LABEL}", "{WORD}"]}');
INSERT INTO worker_report (at, worker, gateway, interval_seconds, accepted, duplicate, refused, retriable, opted_out,
    throttled, unreachable, misconfigured, no_credit, ambiguous, in_flight, concurrency_limit, gateway_state,
    provider_code)
VALUES (now() - interval '1 min', '{LABEL}', 'default', 5, 90, 0, 10, 0, 0, 0, 0, 0, 0, 0, 3, 16, 'slowing', '429');
"""


@dataclass
class VisitedPage:
    """What was found on each page, by its path."""

    violations: dict[str, list[str]] = field(default_factory=dict)
    inline: dict[str, int] = field(default_factory=dict)
    width: dict[str, int] = field(default_factory=dict)
    header: dict[str, int] = field(default_factory=dict)
    undirected: dict[str, list[str]] = field(default_factory=dict)
    headings: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(("en-GB", "light", CONTRASTS), id="English, light"),
        pytest.param(("en-GB", "light", PAGES), id="English, light, all contrasts", marks=pytest.mark.long),
        pytest.param(("ru-RU", "dark", PAGES), id="Russian, dark", marks=pytest.mark.long),
    ],
)
def walk(
    request: pytest.FixtureRequest, service: Service, database_cleaner: DatabaseCleaner, browser: Browser
) -> VisitedPage:
    """A walk over all pages, each opened once in each language: on a desk, and then as narrow as a phone."""
    database_cleaner.empty()
    fill(service.database_url)
    locale, colours, contrasts = request.param
    context = browser.new_context(base_url=service.url, locale=locale, color_scheme=colours)
    page, found = context.new_page(), VisitedPage()
    page.on("request", lambda asked: found.asked.append(asked.url.removeprefix(service.url)))
    page.on("console", lambda message: found.said.append(message.text))
    page.on("pageerror", lambda error: found.said.append(str(error)))
    for path in PAGES:
        page.set_viewport_size({"width": 1280, "height": 900})
        page.goto(service.link() if path == "/" else path)
        violations = Axe().run(page, options=rules(colours, path in contrasts)).response["violations"]
        serious = [one for one in violations if one["impact"] in SERIOUS]
        found.violations[path] = [f"{one['id']}: {node['html']}" for one in serious for node in one["nodes"]]
        found.inline[path] = page.locator("[style], style, script:not([src]), [onclick], [oninput], [onsubmit]").count()
        found.headings[path] = page.get_by_role("heading", level=1).inner_text()
        page.set_viewport_size({"width": 360, "height": 740})
        found.width[path] = page.evaluate("document.documentElement.scrollWidth")
        found.header[path] = page.evaluate("document.querySelector('header').offsetHeight")
        found.undirected[path] = page.evaluate(NAMED_BY_PEOPLE)
    context.close()
    return found


def rules(colours: str, contrast: bool) -> dict[str, Any]:
    """What axe-core looks for."""
    chosen = {"runOnly": list(OF_LOOKS_AND_LANGUAGE)} if colours == "dark" else {}
    return {"resultTypes": ["violations"], "rules": {"color-contrast": {"enabled": contrast}}, **chosen}


def fill(database_url: str) -> None:
    """A client and a message of each kind, mailings that run and that wait, and a worker that has gone silent."""
    with closing(psycopg2.connect(database_url)) as connection:
        connection.autocommit = True
        add_clients(connection, 7, tag=LABEL)
        add_mailing(connection, text=f"Ваш заказ готов {WORD}", mark=LABEL, starts_in=3600, ends_in=7200)
        add_mailing(connection, text="Not yet", mark="nobody", starts_in=3600, ends_in=7200)
        execute(connection, FILL.replace("{WORD}", WORD).replace("{LABEL}", LABEL))


def test_pages_have_no_serious_barriers(walk: VisitedPage) -> None:
    assert {path: found for path, found in walk.violations.items() if found} == {}


def test_pages_have_nothing_inline(walk: VisitedPage) -> None:
    assert {path: found for path, found in walk.inline.items() if found} == {}


def test_pages_take_nothing_from_elsewhere(walk: VisitedPage) -> None:
    assert [address for address in walk.asked if not address.startswith("/")] == []


def test_pages_fit_a_phone(walk: VisitedPage) -> None:
    assert {path: width for path, width in walk.width.items() if width > 360} == {}


def test_the_header_is_one_row_on_a_phone(walk: VisitedPage) -> None:
    assert {path: height for path, height in walk.header.items() if height > ONE_ROW} == {}


def test_user_text_has_the_direction_of_its_script(walk: VisitedPage) -> None:
    assert {path: found for path, found in walk.undirected.items() if found} == {}


def test_scripts_log_no_errors(walk: VisitedPage) -> None:
    assert walk.said == []


def test_headings_are_in_the_language_of_the_browser(walk: VisitedPage, request: pytest.FixtureRequest) -> None:
    russian = "Russian" in request.node.name
    for path, heading in walk.headings.items():
        is_cyrillic = any("а" <= letter <= "я" for letter in heading.lower())
        assert is_cyrillic == russian or heading.startswith("+"), path

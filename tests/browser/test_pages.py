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
from tests.factories import add_clients, add_mailing, add_segment, execute
from tests.inbound import add_inbound_message

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
    "/mailings/1/plan/",
    "/mailings/1/export/",
    "/mailings/1/texts/",
    "/mailings/1/test/",
    "/mailings/1/cancel/",
    "/mailings/2/",
    "/clients/",
    "/clients/new/",
    "/clients/import/",
    "/clients/export/",
    "/clients/fields/",
    "/clients/fields/new/",
    "/clients/fields/5/edit/",
    "/clients/fields/5/remove/",
    "/clients/1/",
    "/clients/1/edit/",
    "/clients/1/remove/",
    "/ledger/",
    "/ledger/1/",
    "/ledger/2/",
    "/inbox/",
    "/inbox/1/",
    "/clients/1/conversation/",
    "/segments/",
    "/segments/new/",
    "/segments/1/",
    "/segments/1/edit/",
    "/segments/2/edit/",
    "/segments/1/remove/",
    "/templates/",
    "/templates/new/",
    "/templates/1/",
    "/templates/1/edit/",
    "/templates/1/remove/",
    "/number-lists/",
    "/number-lists/new/",
    "/number-lists/1/",
    "/number-lists/1/remove/",
    "/suppressions/",
    "/suppressions/new/",
    "/suppressions/import/",
    "/suppressions/1/",
    "/suppressions/1/lift/",
    "/consents/",
    "/consents/new/",
    "/consents/1/",
    "/consents/1/withdraw/",
    "/numbers/79000000001/erase/",
    "/sending-rules/",
    "/sending-rules/replies/",
    "/holiday-calendars/",
    "/holiday-calendars/new/",
    "/holiday-calendars/1/",
    "/holiday-calendars/1/edit/",
    "/holiday-calendars/1/remove/",
    "/mailings/2/approve/",
)
LIKE_OTHERS = (
    *("/mailings/drafts/1/edit/", "/mailings/drafts/1/remove/", "/mailings/2/", "/clients/new/"),
    *("/clients/fields/5/edit/", "/clients/fields/5/remove/", "/ledger/2/", "/segments/new/", "/segments/1/remove/"),
    *("/templates/new/", "/templates/1/remove/", "/number-lists/1/remove/", "/consents/", "/suppressions/1/lift/"),
    *("/consents/1/withdraw/", "/holiday-calendars/", "/holiday-calendars/1/remove/", "/suppressions/new/"),
)
"""Pages that are built of the same parts as another one: a form of something new, a question whether to remove it."""
CONTRASTS = (
    *("/login/", "/", "/mailings/", "/mailings/drafts/1/", "/mailings/drafts/2/versions/"),
    *("/mailings/1/", "/mailings/1/edit/", "/mailings/1/cancel/", "/clients/import/", "/ledger/1/"),
    *("/inbox/", "/inbox/1/", "/segments/1/edit/", "/templates/1/"),
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
INSERT INTO client_field (name, type, label) VALUES ('{FIELD}', 'text', '{LABEL}'), ('vip', 'boolean', ''),
    ('sum', 'number', ''), ('last_order', 'datetime', ''), ('likes', 'list', '');
UPDATE client SET external_id = '{LABEL}', tags = '{"{WORD}"}', attributes = jsonb_build_object('{FIELD}', '{WORD}',
    'vip', true, 'sum', 1250.5, 'last_order', '2026-11-29T18:25:43.511000Z', 'likes', '["{WORD}"]'::jsonb,
    'birthday', '1990-02-28') WHERE id = 1;
INSERT INTO mailing_draft (fields, created_by, created_by_name) VALUES
    ('{"text": "Скидка: https://example.org/sale {WORD}", "mark": "{LABEL}-1", "on_unknown": "hold",
       "start_datetime": "2032-01-01T10:00:00Z", "end_datetime": "2032-01-02T10:00:00Z"}', 'key:1', 'Anna'),
    ('{"text": "Half a {WORD}"}', 'key:1', '{LABEL}');
INSERT INTO template (name) VALUES ('{LABEL}');
INSERT INTO template_text (template_id, revision, text, written_by_name) VALUES (1, 1, '{{ name }}! {WORD}', '{LABEL}');
INSERT INTO number_list (name, numbers, is_complete) VALUES ('{LABEL}', 7, true);
INSERT INTO holiday_calendar (name, source) VALUES ('{LABEL}', '{WORD}');
INSERT INTO holiday (calendar_id, day, name) VALUES (1, '2032-01-01', '{WORD}');
INSERT INTO suppression (phone_number, scope, reason, source, evidence, recorded_by) VALUES
    (79000000001, 'everything', 'opted_out', 'api', '{"{LABEL}": "{WORD}", "message_id": 1}', '{LABEL}');
INSERT INTO consent (phone_number, given_at, method, wording, source, purpose)
VALUES (79000000001, now(), '{WORD}', '{WORD}', 'import', '{LABEL}');
INSERT INTO message_cap (messages, period_hours) VALUES (2, 24);
UPDATE mailing SET local_from = 540, local_until = 1260, local_weekdays = 31, holiday_calendar_id = 1,
    requires_approval = id = 2 WHERE id IN (1, 2);
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
        pytest.param(
            ("en-GB", "light", [path for path in PAGES if path not in LIKE_OTHERS], CONTRASTS), id="English, light"
        ),
        pytest.param(("en-GB", "light", PAGES, PAGES), id="English, light, everything", marks=pytest.mark.long),
        pytest.param(("ru-RU", "dark", PAGES, PAGES), id="Russian, dark", marks=pytest.mark.long),
    ],
)
def walk(
    request: pytest.FixtureRequest, service: Service, database_cleaner: DatabaseCleaner, browser: Browser
) -> VisitedPage:
    """A walk over the pages, each opened once in each language: on a desk, and then as narrow as a phone."""
    database_cleaner.empty()
    fill(service.database_url)
    locale, colours, pages, contrasts = request.param
    context = browser.new_context(base_url=service.url, locale=locale, color_scheme=colours)
    page, found = context.new_page(), VisitedPage()
    page.on("request", lambda asked: found.asked.append(asked.url.removeprefix(service.url)))
    page.on("console", lambda message: found.said.append(message.text))
    page.on("pageerror", lambda error: found.said.append(str(error)))
    for path in pages:
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
        add_inbound_message(connection, f"Когда начало? {WORD}")
        add_inbound_message(connection, "Да", phone_number=None, sender=LABEL)
        for text in (f'tag = "{LABEL}" and birthday within 7 days', 'not (tag = "a" or (tag = "b" and name exists))'):
            add_segment(connection, text, f"{LABEL[:90]} {text[:3]}")
        execute(
            connection, FILL.replace("{WORD}", WORD).replace("{LABEL}", LABEL).replace("{FIELD}", WORD[:40].lower())
        )


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

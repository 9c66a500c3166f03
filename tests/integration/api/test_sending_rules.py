"""The rules of sending by the API, the defaults of new mailings that they are, and the presets of local windows."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.factories import rows, value
from tests.integration.api.calls import Caller, add_client, add_mailing, caller, mailing_body, wrong_fields

PATH = "/v1/sending-rules/"
WINDOW = {"local_from": "09:00", "local_until": "21:00", "local_weekdays": ["monday", "sunday"]}
NOTHING = {"local_from": None, "local_until": None, "local_weekdays": None, "holiday_calendar_id": None}
RULES = {
    **WINDOW,
    "holiday_calendar_id": 1,
    "default_timezone": "Asia/Omsk",
    "requires_consent": True,
    "requires_approval": True,
    "daily_spending_limit": "5000.5",
    "spending_currency": "RUB",
    "caps": [{"messages": 2, "period_hours": 24}, {"messages": 5, "period_hours": 168}],
    "reply_language": "ru",
    "replies": {"help": {"ru": "Пример", "en": None}},
}


@pytest.fixture(autouse=True)
def _calendar(api: Caller) -> None:
    api.post("/v1/holiday-calendar/", json={"name": "ours", "days": [{"day": "2032-01-01"}]})


def rules_of(api: Caller, mailing_id: int) -> dict[str, Any]:
    mailing = api.get(f"/v1/mailing/{mailing_id}/").json
    return {name: mailing[name] for name in (*NOTHING, "default_timezone", "requires_consent")}


def test_the_rules_are_read_and_changed_as_one_row(api: Caller, connection: Connection) -> None:
    before = api.get(PATH)
    assert before.json.pop("updated_at")
    empty = {**dict.fromkeys(RULES), "requires_consent": False, "requires_approval": False}
    assert {name: before.json[name] for name in RULES} == {**empty, "caps": [], "reply_language": "en", "replies": {}}
    assert "opt_out_secret" not in before.text
    secret = value(connection, "SELECT opt_out_secret FROM sending_rules")

    changed = api.put(PATH, json=RULES, headers={"If-Match": before.headers["ETag"]})
    assert changed.status_code == 200, changed.text
    assert {name: changed.json[name] for name in RULES} == RULES
    assert api.get(PATH).json == changed.json
    assert api.put(PATH, json={}, headers={"If-Match": before.headers["ETag"]}).status_code == 412
    assert api.put(PATH, json={"caps": [{"messages": 1, "period_hours": 24}]}).json["caps"] == [
        {"messages": 1, "period_hours": 24}
    ]
    assert rows(connection, "SELECT messages, period_hours FROM message_cap") == [(1, 24)]
    assert value(connection, "SELECT opt_out_secret FROM sending_rules") == secret
    entry = rows(connection, "SELECT operation, detail FROM audit_entry ORDER BY id DESC OFFSET 1 LIMIT 1")[0]
    assert entry[0] == "updateSendingRules"
    assert entry[1]["replies"] == [[], ["help.en", "help.ru"]]
    assert "Пример" not in str(entry[1])


def test_only_an_administrator_changes_the_rules(api: Caller) -> None:
    key = api.post("/v1/key/create/", json={"name": "o", "role": "operator", "expires_at": None}).json["key"]
    operator = caller(api.application, key)  # type: ignore[attr-defined]
    assert operator.get(PATH).status_code == 200
    assert operator.put(PATH, json={"caps": []}).status_code == 403


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"local_from": "09:00"}, "local_until"),
        ({"local_from": "21:00", "local_until": "09:00"}, "local_until"),
        ({"local_from": "9 am", "local_until": "21:00"}, "local_from"),
        ({"local_weekdays": ["monday"]}, "local_from"),
        ({"holiday_calendar_id": 1}, "holiday_calendar_id"),
        ({**WINDOW, "holiday_calendar_id": 2}, "holiday_calendar_id"),
        ({"default_timezone": "Mars"}, "default_timezone"),
        ({"daily_spending_limit": "5"}, "spending_currency"),
        ({"spending_currency": "EUR"}, "daily_spending_limit"),
        ({"daily_spending_limit": "5", "spending_currency": "EUR\n"}, "spending_currency"),
        ({"daily_spending_limit": "0.0000001", "spending_currency": "EUR"}, "daily_spending_limit"),
        ({"daily_spending_limit": "1" * 13, "spending_currency": "EUR"}, "daily_spending_limit"),
        ({"daily_spending_limit": 5, "spending_currency": "EUR"}, "daily_spending_limit"),
        ({"requires_consent": None}, "requires_consent"),
        ({"caps": [{"messages": 0, "period_hours": 1}]}, "caps"),
        ({"caps": [{"messages": 1, "period_hours": 8785}]}, "caps"),
        ({"caps": [{"messages": True, "period_hours": 1}]}, "caps"),
        ({"caps": [{"messages": 1}]}, "caps"),
        ({"caps": [{"messages": n, "period_hours": 1} for n in (1, 2)]}, "caps"),
        ({"caps": [{"messages": 1, "period_hours": n} for n in range(1, 12)]}, "caps"),
        ({"reply_language": "xx"}, "reply_language"),
        ({"replies": {"wave": {"en": "Hello"}}}, "replies"),
        ({"replies": {"stop": {"xx": "Hello"}}}, "replies"),
        ({"replies": {"stop": {"en": " "}}}, "replies"),
        ({"replies": {"stop": {"en": "x" * 1601}}}, "replies"),
        ({"replies": {"stop": "Hello"}}, "replies"),
        ({"opt_out_secret": "x"}, "opt_out_secret"),
    ],
)
def test_what_rules_cannot_be_is_refused_by_its_field(given: dict[str, Any], field: str, api: Caller) -> None:
    answer = api.put(PATH, json=given)
    assert (answer.status_code, wrong_fields(answer)) == (422, {field})


def test_a_limit_may_be_as_great_as_a_large_mailing_costs(api: Caller) -> None:
    limit = {"daily_spending_limit": "999999999999.999999", "spending_currency": "VND"}
    answer = api.put(PATH, json=limit)
    assert {name: answer.json[name] for name in limit} == limit
    add_mailing(api, spending_limit="350000000", spending_currency="VND")


def test_a_window_past_midnight_is_refused_with_what_to_do(api: Caller) -> None:
    answer = api.put(PATH, json={"local_from": "22:00", "local_until": "06:00"})
    assert "can't go past midnight. It can end at 24:00" in answer.json["message"]


def test_a_kind_is_not_offered_that_is_refused(api: Caller) -> None:
    answer = api.post("/v1/mailing/create/", json=mailing_body(kind="news"))
    assert answer.json["errors"]["json"]["kind"] == ["Must be marketing or service."]


def test_every_day_of_the_week_is_permitted_if_none_is_named(api: Caller) -> None:
    api.put(PATH, json={"local_from": "09:00", "local_until": "24:00"})
    assert len(api.get(PATH).json["local_weekdays"]) == 7
    mailing_id = add_mailing(api, local_from="10:00", local_until="11:00")
    assert len(rules_of(api, mailing_id)["local_weekdays"]) == 7
    api.put(f"/v1/mailing/{mailing_id}/", json=mailing_body(local_weekdays=["friday"]))
    api.put(f"/v1/mailing/{mailing_id}/", json=mailing_body(local_from="09:00", local_until="11:00"))
    assert rules_of(api, mailing_id)["local_weekdays"] == ["friday"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {}),
        ({"kind": "service"}, {"requires_consent": False}),
        ({"local_from": None}, NOTHING),
        ({"local_from": "10:00", "local_until": "11:00", "local_weekdays": ["friday"]}, {"holiday_calendar_id": None}),
        ({"default_timezone": None}, {"default_timezone": None}),
        ({"requires_consent": False}, {"requires_consent": False}),
    ],
    ids=["nothing given", "service", "no window", "a window of its own", "no time zone", "no consent"],
)
def test_a_new_mailing_has_the_rules_that_it_leaves_out(
    given: dict[str, Any], expected: dict[str, Any], api: Caller
) -> None:
    api.put(PATH, json=RULES)
    defaults = {name: RULES[name] for name in (*NOTHING, "default_timezone", "requires_consent")}
    wanted = {**defaults, **{name: given[name] for name in given if name in defaults}, **expected}

    assert rules_of(api, add_mailing(api, **given)) == wanted

    draft = api.post("/v1/draft/create/", json=mailing_body()).json
    sent = api.post(f"/v1/draft/{draft['id']}/send/", json={"confirm": ["nobody_matches"]})
    assert rules_of(api, sent.json["id"]) == defaults


def test_a_test_send_and_a_change_take_no_defaults(api: Caller) -> None:
    mailing_id = add_mailing(api)
    api.put(PATH, json=RULES)
    api.put(f"/v1/mailing/{mailing_id}/", json=mailing_body(text="Bye"))
    assert rules_of(api, mailing_id) == {**NOTHING, "default_timezone": None, "requires_consent": False}
    add_client(api)
    test = api.post(f"/v1/mailing/{mailing_id}/test/", json={"phone_number": 79161234567})
    assert rules_of(api, test.json["id"]) == {**NOTHING, "default_timezone": None, "requires_consent": False}


def test_a_test_send_goes_out_whatever_the_local_time_and_without_consent(api: Caller) -> None:
    mailing_id = add_mailing(api, **WINDOW, requires_consent=True)
    add_client(api)
    test = api.post(f"/v1/mailing/{mailing_id}/test/", json={"phone_number": 79161234567})
    rules = rules_of(api, test.json["id"])
    assert (rules["local_from"], rules["requires_consent"]) == (None, False)


def test_presets_have_a_source_and_can_be_taken_over_as_they_are(api: Caller) -> None:
    presets = api.get("/v1/window-preset/").json
    assert {preset["country"] for preset in presets} == {"RU", "US", "FR"}
    assert len({preset["code"] for preset in presets}) == len(presets)
    window = ("local_from", "local_until", "local_weekdays")
    for preset in presets:
        assert preset["source"]
        assert preset["note"]
        assert preset["source_url"].startswith("https://")
        given = {name: preset[name] for name in window}
        assert {name: api.put(PATH, json=given).json[name] for name in window} == given
        if preset["holiday_country"]:
            body = {"name": preset["code"], "country": preset["holiday_country"], "years": [2026]}
            assert api.post("/v1/holiday-calendar/", json=body).json["days"]

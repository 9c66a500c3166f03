"""Routes by the API: which gateways messages may take, and the paths that they make."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.factories import add_clients, add_gateway, begin_launch, execute, rows, value
from tests.integration.api.calls import Answer, Caller, add_mailing, wrong_fields

PATH = "/v1/route/"


@pytest.fixture(autouse=True)
def gateways(api: Caller, connection: Connection) -> None:
    """Gateways 2 and 3, beside `default`."""
    for name in ("second", "third"):
        add_gateway(connection, name)


def listed(*names: str, **weights: int) -> list[dict[str, Any]]:
    return [{"gateway": name} for name in names] + [{"gateway": n, "weight": w} for n, w in weights.items()]


def add(api: Caller, **changes: Any) -> Answer:
    answer = api.post(PATH, json={"name": "abroad", "gateways": listed("second", "default"), **changes})
    assert answer.status_code == 201, answer.text
    return answer


def paths(connection: Connection, route_id: int) -> list[tuple[Any, ...]]:
    statement = "SELECT weight, gateway_ids, gateway_id FROM path WHERE route_id = %s ORDER BY id"
    return rows(connection, statement, route_id)


def path_of(connection: Connection, phone: int, code: str = "900", client: int = 1, route: int | None = None) -> Any:
    statement = "SELECT route_id FROM path WHERE id = path_of(%s, %s, %s, %s)"
    return value(connection, statement, route, phone, code, client)


def test_the_default_route_is_there_from_the_beginning(api: Caller) -> None:
    (route,) = api.get(PATH).json
    assert (route["id"], route["name"], route["gateways"]) == (1, "default", [{"gateway": "default", "weight": None}])
    assert (route["prefixes"], route["operator_codes"], route["active"]) == ([], [], ["default"])


def test_an_ordered_route_is_one_path(api: Caller, connection: Connection) -> None:
    answer = add(api, prefixes=["380", "38", "380"], operator_codes=["916"])
    route = answer.json
    assert answer.headers["Location"] == f"{PATH}2/"
    assert api.get(f"{PATH}2/").json == route
    assert route["gateways"] == [{"gateway": "second", "weight": None}, {"gateway": "default", "weight": None}]
    assert (route["prefixes"], route["operator_codes"], route["active"]) == (["38", "380"], ["916"], ["second"])
    assert paths(connection, 2) == [(100, [2, 1], 2)]


def test_a_weighted_route_is_a_path_for_each_gateway(api: Caller, connection: Connection) -> None:
    route = add(api, gateways=listed(default=0, third=30, second=70)).json
    assert route["gateways"] == listed(second=70, third=30, default=0)
    assert route["active"] == ["second", "third"]
    assert paths(connection, 2) == [(70, [2, 3, 1], 2), (30, [3, 2, 1], 3)]


def test_a_path_begins_with_a_gateway_that_is_available(api: Caller, connection: Connection) -> None:
    execute(connection, "UPDATE gateway_availability SET available = false WHERE gateway_id = 2")
    assert add(api).json["active"] == ["default"]
    execute(connection, "UPDATE gateway SET paused_at = now() WHERE id = 1")
    route = api.put(f"{PATH}2/", json={"gateways": listed("default", "second", "third")}).json
    assert route["active"] == ["third"]
    execute(connection, "UPDATE gateway SET paused_at = now()")
    assert api.put(f"{PATH}2/", json={"gateways": listed("default", "second")}).json["active"] == ["default"]


def test_messages_take_the_route_that_matches_best(api: Caller, connection: Connection) -> None:
    add(api, prefixes=["38"], operator_codes=["916"])
    add(api, name="ukraine", prefixes=["380"])
    add(api, name="by hand")
    assert path_of(connection, 79161234567) == 1
    assert path_of(connection, 79161234567, "916") == 2
    assert path_of(connection, 38161234567) == 2
    assert path_of(connection, 380161234567, "916") == 3
    assert path_of(connection, 380161234567, route=4) == 4
    api.delete(f"{PATH}3/")
    assert path_of(connection, 380161234567) == 2


def test_weights_are_shares_of_clients(api: Caller, connection: Connection) -> None:
    add(api, gateways=listed(second=75, third=25), prefixes=["7"])
    share = value(
        connection,
        """
        SELECT count(*) FROM generate_series(1, 4000) AS client JOIN path
            ON path.id = path_of(NULL, 79161234567, '900', client)
        WHERE gateway_id = 3
        """,
    )
    assert 850 < share < 1150


def test_an_edit_changes_paths_in_place(api: Caller, connection: Connection) -> None:
    add(api)
    api.put(f"{PATH}2/", json={"gateways": listed("second", "third")})
    assert paths(connection, 2) == [(100, [2, 3], 2)]
    api.put(f"{PATH}2/", json={"gateways": listed("third", "default")})
    assert paths(connection, 2) == [(0, [3, 1], 3), (100, [3, 1], 3)]
    changed = api.put(f"{PATH}2/", json={"name": "other", "prefixes": ["380"]}).json
    assert (changed["name"], changed["prefixes"], changed["gateways"][0]["gateway"]) == ("other", ["380"], "third")
    assert len(paths(connection, 2)) == 2


def test_what_does_not_change_is_no_change(api: Caller) -> None:
    add(api, prefixes=["380"])
    before = api.get("/v1/audit/?operation=updateRoute&limit=1000").json
    route = api.put(f"{PATH}2/", json={"name": "abroad", "prefixes": ["380"], "gateways": listed("second", "default")})
    assert route.json == api.get(f"{PATH}2/").json
    assert api.get("/v1/audit/?operation=updateRoute&limit=1000").json == before
    api.put(f"{PATH}2/", json={"gateways": listed(second=1, third=2)})
    (entry,) = api.get("/v1/audit/?operation=updateRoute&limit=1000").json[len(before) :]
    assert entry["detail"] == {"gateways": [["second", "default"], ["third: 2", "second: 1"]]} or entry["detail"] == {
        "gateways": [["second", "default"], ["second: 1", "third: 2"]]
    }


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 41}, "name"),
        ({"gateways": []}, "gateways"),
        ({"gateways": listed("second", "second")}, "gateways"),
        ({"gateways": listed("default", second=5)}, "gateways"),
        ({"gateways": listed(default=0, second=0)}, "gateways"),
        ({"gateways": [{"gateway": "second", "weight": 1.5}]}, "gateways"),
        ({"gateways": [{"gateway": "second", "weight": -1}]}, "gateways"),
        ({"gateways": [{"gateway": "second", "other": 1}]}, "gateways"),
        ({"gateways": "second"}, "gateways"),
        ({"gateways": [{"gateway": "sec\0ond"}]}, "gateways"),
        ({"prefixes": ["+7"]}, "prefixes"),
        ({"prefixes": [""]}, "prefixes"),
        ({"prefixes": [7]}, "prefixes"),
        ({"operator_codes": ["١"]}, "operator_codes"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_a_wrong_field_is_named(api: Caller, changes: dict[str, Any], field: str) -> None:
    answer = api.post(PATH, json={"name": "abroad", "gateways": listed("second"), **changes})
    assert (answer.status_code, wrong_fields(answer)) == (422, {field})


def test_a_condition_can_be_in_one_route_only(api: Caller) -> None:
    add(api, prefixes=["380"], operator_codes=["916"])
    body = {"name": "other", "gateways": listed("third")}
    for changes in ({"prefixes": ["380"]}, {"operator_codes": ["916"]}):
        answer = api.post(PATH, json=body | changes)
        assert (answer.status_code, wrong_fields(answer)) == (409, set(changes))
        assert "abroad" in answer.json["message"]
    assert wrong_fields(api.post(PATH, json=body | {"name": "abroad"})) == {"name"}
    assert api.delete(f"{PATH}2/").status_code == 204
    assert api.post(PATH, json=body | {"name": "abroad", "prefixes": ["380"]}).status_code == 201


def test_of_the_default_route_only_the_gateways_can_be_changed(api: Caller, connection: Connection) -> None:
    for body in ({"name": "other"}, {"prefixes": ["7"]}, {"operator_codes": ["916"]}):
        answer = api.put(f"{PATH}1/", json=body)
        assert (answer.status_code, wrong_fields(answer)) == (409, set(body))
    assert api.delete(f"{PATH}1/").status_code == 409
    assert api.put(f"{PATH}1/", json={"gateways": listed("default", "third")}).status_code == 200
    assert paths(connection, 1) == [(100, [1, 3], 1)]


def test_a_removed_gateway_can_not_be_listed(api: Caller, connection: Connection) -> None:
    execute(connection, "UPDATE gateway SET removed_at = now() WHERE id = 2")
    answer = api.post(PATH, json={"name": "abroad", "gateways": listed("second")})
    assert (answer.status_code, answer.json["reason_code"]) == (409, "no_such_gateway")
    answer = api.post(PATH, json={"name": "abroad", "gateways": listed("nobody")})
    assert (answer.status_code, wrong_fields(answer)) == (409, {"gateways"})


def test_a_route_of_a_mailing_is_kept_until_that_has_ended(api: Caller) -> None:
    add(api)
    mailing_id = add_mailing(api, route="abroad")
    answer = api.delete(f"{PATH}2/")
    assert (answer.status_code, answer.json["reason_params"]) == (409, {"mailing": mailing_id})
    api.post(f"/v1/mailing/{mailing_id}/cancel/")
    assert api.delete(f"{PATH}2/").status_code == 204
    assert api.get(f"/v1/mailing/{mailing_id}/").json["route"] == "abroad"
    assert wrong_fields(api.post("/v1/mailing/plan/", json={"route": "abroad", "nonsense": 1})) == {"nonsense"}


def test_an_edit_of_an_older_version_is_refused(api: Caller) -> None:
    add(api)
    tag = {"If-Match": api.get(f"{PATH}2/").headers["ETag"]}
    assert api.put(f"{PATH}2/", json={"prefixes": ["1"]}, headers=tag).status_code == 200
    assert api.put(f"{PATH}2/", json={"prefixes": ["2"]}, headers=tag).status_code == 412


def test_a_route_is_that_of_a_mailing_until_its_launch(api: Caller, connection: Connection) -> None:
    add(api)
    mailing_id = add_mailing(api)
    path = f"/v1/mailing/{mailing_id}/"
    body = {name: api.get(path).json[name] for name in ("text", "mark", "start_datetime", "end_datetime")}
    assert api.put(path, json=body | {"route": "abroad"}).json["route"] == "abroad"
    assert api.put(path, json=body).json["route"] == "abroad"
    assert value(connection, "SELECT route_id FROM mailing") == 2
    refused = api.put(path, json=body | {"route": "nowhere"})
    assert (refused.status_code, wrong_fields(refused)) == (409, {"route"})
    (edit,) = api.get(f"{path}journal/").json
    assert edit["changes"] == {"route": [None, "abroad"]}
    begin_launch(connection, mailing_id)
    late = api.put(path, json=body | {"route": None})
    assert (late.status_code, late.json["reason_code"]) == (409, "route_is_fixed")


def test_a_test_of_a_mailing_takes_its_route(api: Caller, connection: Connection) -> None:
    add(api)
    add_clients(connection, 1)
    mailing_id = add_mailing(api, route="abroad")
    number = value(connection, "SELECT phone_number FROM client")
    test = api.post(f"/v1/mailing/{mailing_id}/test/", json={"phone_number": number}).json
    assert test["route"] == "abroad"
    assert value(connection, "SELECT route_id FROM path JOIN message ON path.id = path_id") == 2


def test_a_draft_keeps_a_route(api: Caller) -> None:
    add(api)
    draft = api.post("/v1/draft/create/", json={"text": "Hello", "route": "abroad"})
    assert draft.json["route"] == "abroad"
    mailing_id = add_mailing(api, route="abroad")
    undone = api.post(f"/v1/mailing/{mailing_id}/undo/").json
    assert undone["route"] == "abroad"

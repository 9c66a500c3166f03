"""How the gateways of a route are its paths."""

from __future__ import annotations

import pytest

from shared.domain.message_routes import (
    ListedGateway,
    RoutePath,
    apportion,
    changed_paths,
    check_listed,
    listed_gateways,
    paths_of,
    route_of,
)
from shared.errors import Invalid

A, B, C = 1, 2, 3


def ordered(*gateways: int) -> list[ListedGateway]:
    return [ListedGateway(gateway) for gateway in gateways]


def weighted(**weights: int) -> list[ListedGateway]:
    return [ListedGateway("abc".index(name) + 1, weight) for name, weight in weights.items()]


def test_an_ordered_route_has_one_path() -> None:
    assert paths_of(ordered(B, A)) == [RoutePath(100, (B, A))]


def test_a_weighted_route_has_a_path_for_each_gateway_and_then_the_others_by_weight() -> None:
    assert paths_of(weighted(a=10, b=60, c=30)) == [
        RoutePath(60, (B, C, A)),
        RoutePath(30, (C, B, A)),
        RoutePath(10, (A, B, C)),
    ]


def test_a_gateway_without_weight_only_steps_in() -> None:
    assert paths_of(weighted(a=70, b=0, c=30)) == [RoutePath(70, (A, C, B)), RoutePath(30, (C, A, B))]


@pytest.mark.parametrize("listed", [ordered(B, A, C), weighted(b=60, c=30, a=10), weighted(a=70, c=30, b=0)])
def test_paths_tell_what_was_listed(listed: list[ListedGateway]) -> None:
    assert listed_gateways(changed_paths([], listed)) == listed


def test_a_route_with_one_weight_is_an_ordered_one() -> None:
    assert listed_gateways(paths_of(weighted(a=5, b=0))) == ordered(A, B)


def test_a_path_whose_first_gateway_stays_is_changed_in_place() -> None:
    present = [RoutePath(100, (A, B), 7)]
    assert changed_paths(present, ordered(A, C)) == [RoutePath(100, (A, C), 7)]
    assert changed_paths(present, weighted(b=50, a=50)) == [RoutePath(50, (B, A)), RoutePath(50, (A, B), 7)]


def test_a_path_whose_first_gateway_is_gone_gets_no_new_messages_and_the_new_gateways() -> None:
    present = [RoutePath(100, (A, B), 7)]
    assert changed_paths(present, ordered(B, C)) == [RoutePath(100, (B, C)), RoutePath(0, (B, C), 7)]


def test_a_path_without_new_messages_is_used_again() -> None:
    present = [RoutePath(100, (B,), 8), RoutePath(0, (B,), 7)]
    assert changed_paths(present, ordered(A)) == [RoutePath(100, (A,), 7), RoutePath(0, (A,), 8)]


def test_paths_do_not_become_more_with_every_change() -> None:
    present: list[RoutePath] = []
    for listed in [ordered(A, B), ordered(B, A), weighted(a=1, b=1, c=1), ordered(C)] * 5:
        changed = changed_paths(present, listed)
        present = [path._replace(id=path.id or 100 + place) for place, path in enumerate(changed)]
        present = [path._replace(id=place) for place, path in enumerate(present)]
    assert len(present) <= 4


@pytest.mark.parametrize("listed", [[], weighted(a=0, b=0), [ListedGateway(A, 1), ListedGateway(B)]])
def test_a_wrong_list_is_refused(listed: list[ListedGateway]) -> None:
    with pytest.raises(Invalid):
        check_listed(listed)


def test_the_longest_prefix_decides_and_then_the_operator_code() -> None:
    by_prefix, by_code = {"7": A, "7916": B}, {"916": C}
    assert route_of("79161234567", "916", by_prefix, by_code) == B
    assert route_of("7926", "916", by_prefix, by_code) == A
    assert route_of("38050", "916", by_prefix, by_code) == C
    assert route_of("38050", "050", by_prefix, by_code) is None
    assert route_of("", "050", {}, {}) is None


@pytest.mark.parametrize(
    ("total", "weights", "shares"),
    [
        (10, {A: 1, B: 1, C: 1}, {A: 4, B: 3, C: 3}),
        (100, {A: 70, B: 30}, {A: 70, B: 30}),
        (1, {A: 1, B: 2}, {A: 0, B: 1}),
        (5, {A: 0, B: 1}, {A: 0, B: 5}),
        (5, {A: 0}, {A: 0}),
        (0, {A: 1}, {A: 0}),
    ],
)
def test_shares_are_whole_and_add_up(total: int, weights: dict[int, int], shares: dict[int, int]) -> None:
    assert apportion(total, weights) == shares

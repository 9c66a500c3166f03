"""How the gateways of a route are its paths: pure.

A path is an ordered list of gateways. An ordered route has one; a weighted one has a path for each gateway with a
weight, which begins with it and continues with the others by weight.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from shared.domain.sentences import ErrorCode
from shared.errors import Invalid

ORDERED_WEIGHT = 100
"""The weight of the one path of an ordered route."""

MAX_WEIGHT = 10_000


class ListedGateway(NamedTuple):
    """A gateway of a route."""

    gateway_id: int
    weight: int | None = None
    """Its share of new messages, among the weights of the route; None in an ordered route."""


class RoutePath(NamedTuple):
    """A path of a route."""

    weight: int
    """Its share of new messages, among the weights of the route; 0 for none."""
    gateway_ids: tuple[int, ...]
    id: int | None = None
    """None for one that is not added yet."""


def check_listed(listed: Sequence[ListedGateway]) -> None:
    """Raises Invalid for a list without gateways, with weights for some of them, or with zeros alone."""
    weights = [one.weight for one in listed if one.weight is not None]
    if not listed:
        raise Invalid("gateways", ErrorCode.NO_GATEWAYS)
    if weights and len(weights) < len(listed):
        raise Invalid("gateways", ErrorCode.WEIGHTS_MIXED)
    if weights and not any(weights):
        raise Invalid("gateways", ErrorCode.WEIGHTS_ARE_ZERO)


def paths_of(listed: Sequence[ListedGateway]) -> list[RoutePath]:
    """The paths that new messages take."""
    in_order = _in_order(listed)
    ids = tuple(one.gateway_id for one in in_order)
    if listed[0].weight is None:
        return [RoutePath(ORDERED_WEIGHT, ids)]
    return [
        RoutePath(one.weight, (one.gateway_id, *(other for other in ids if other != one.gateway_id)))
        for one in in_order
        if one.weight
    ]


def listed_gateways(paths: Sequence[RoutePath]) -> list[ListedGateway]:
    """The gateways of a route by its paths. A weighted route with one path is like an ordered one, and is shown so."""
    taken = sorted((path for path in paths if path.weight), key=lambda path: (-path.weight, path.id or 0))
    if len(taken) == 1:
        return [ListedGateway(gateway_id) for gateway_id in taken[0].gateway_ids]
    first = [ListedGateway(path.gateway_ids[0], path.weight) for path in taken]
    others = set(taken[0].gateway_ids) - {one.gateway_id for one in first}
    return [*first, *(ListedGateway(one, 0) for one in taken[0].gateway_ids if one in others)]


def changed_paths(present: Sequence[RoutePath], listed: Sequence[ListedGateway]) -> list[RoutePath]:
    """The paths of a route with new gateways: those present, changed in place, and new ones.

    A path keeps the messages that wait on it, so it keeps its first gateway if that is still listed. Others
    get no new messages, and their messages the new list; such a path is taken for a new one first.
    """
    free = sorted(present, key=lambda path: (not path.weight, path.id or 0))
    wanted = paths_of(listed)
    found: dict[int, RoutePath] = {}
    for place, path in enumerate(wanted):
        same = next((one for one in free if one.gateway_ids[0] == path.gateway_ids[0]), None)
        if same:
            free.remove(same)
            found[place] = path._replace(id=same.id)
    for place, path in enumerate(wanted):
        unused = next((one for one in free if not one.weight), None)
        if place not in found:
            if unused:
                free.remove(unused)
            found[place] = path._replace(id=unused.id if unused else None)
    ids = tuple(one.gateway_id for one in _in_order(listed))
    return [*(found[place] for place in range(len(wanted))), *(RoutePath(0, ids, path.id) for path in free)]


def _in_order(listed: Sequence[ListedGateway]) -> list[ListedGateway]:
    return sorted(listed, key=lambda one: -(one.weight or 0))


def route_of(phone: str, operator_code: str, by_prefix: Mapping[str, int], by_code: Mapping[str, int]) -> int | None:
    """The id of the route of a phone number, or of its beginning: by its longest prefix, else by the operator code.

    None if no route matches. The function `path_of` of the database does the same.
    """
    for length in range(len(phone), 0, -1):
        if (route_id := by_prefix.get(phone[:length])) is not None:
            return route_id
    return by_code.get(operator_code)


def apportion(total: int, weights: Mapping[int, int]) -> dict[int, int]:
    """Whole shares of a total by weights, which add up to it: remainders go to the largest fractions."""
    sum_of_weights = sum(weights.values())
    if not sum_of_weights:
        return dict.fromkeys(weights, 0)
    shares = {key: total * weight // sum_of_weights for key, weight in weights.items()}
    by_fraction = sorted(weights, key=lambda key: (-(total * weights[key] % sum_of_weights), key))
    for key in by_fraction[: total - sum(shares.values())]:
        shares[key] += 1
    return shares

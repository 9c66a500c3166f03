"""Which role a view needs. The view says it by a decorator, `@requires(Role.OPERATOR)` or `@public`.

A view that says nothing is refused for everybody (api/auth/authentication.py). docs/access.md lists all routes.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, TypeVar

from flask import Flask

from shared.domain.roles import Role

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""They change nothing (RFC 9110, section 9.2.1)."""

View = TypeVar("View", bound=Callable[..., Any])

_DECLARED = "_access"
"""The attribute of a view that holds what its decorator says. functools.wraps hands it on to what wraps the view."""


class Access(Enum):
    """What a view declares instead of a role."""

    PUBLIC = "public"
    """No key is needed."""
    UNDECLARED = "undeclared"
    """Nothing was declared: nobody may."""


def requires(role: Role) -> Callable[[View], View]:
    """Declares the weakest role that may call the view."""

    def declare(view: View) -> View:
        setattr(view, _DECLARED, role)
        return view

    return declare


def public(view: View) -> View:
    """Declares that the view needs no key."""
    setattr(view, _DECLARED, Access.PUBLIC)
    return view


def declared_access(view: Callable[..., Any]) -> Role | Access:
    """What a view's decorator says."""
    declared: Role | Access = getattr(view, _DECLARED, Access.UNDECLARED)
    return declared


def is_allowed(role: Role, access: Role | Access) -> bool:
    """Whether who has the role may call what declares the access."""
    return access is Access.PUBLIC or (isinstance(access, Role) and role.covers(access))


def access_to(app: Flask, endpoint: str, method: str) -> Role | Access:
    """What the view behind an endpoint and a method declares.

    OPTIONS, and a method that the endpoint does not have, tell no more than which methods there are: any role will do.
    """
    view = app.view_functions[endpoint]
    methods = getattr(view, "view_class", None)
    if methods is None:
        return declared_access(view)
    found = getattr(methods, "get" if method == "HEAD" else method.lower(), None)
    return Role.VIEWER if found is None else declared_access(found)

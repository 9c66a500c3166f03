"""The role that a view requires, declared by a decorator: `@requires(Role.OPERATOR)` or `@public`.

A view without a declaration is refused for every caller (api/auth/authentication.py). docs/access.md lists all routes.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, TypeVar

from flask import Flask

from shared.domain.roles import Role

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing (RFC 9110, section 9.2.1)."""

View = TypeVar("View", bound=Callable[..., Any])

_DECLARED = "_access"
"""The attribute of a view with its declaration. functools.wraps copies it to wrappers of the view."""


class Access(Enum):
    """What a view declares instead of a role."""

    PUBLIC = "public"
    """No key is needed."""
    UNDECLARED = "undeclared"
    """Nothing is declared: no caller is allowed."""


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
    """The declaration of a view."""
    declared: Role | Access = getattr(view, _DECLARED, Access.UNDECLARED)
    return declared


def is_allowed(role: Role, access: Role | Access) -> bool:
    """Whether the role may call a view with this declaration."""
    return access is Access.PUBLIC or (isinstance(access, Role) and role.covers(access))


def access_to(app: Flask, endpoint: str, method: str) -> Role | Access:
    """The declaration of the view of an endpoint and a method.

    For OPTIONS and for unknown methods, which reveal only the allowed methods, any role is sufficient.
    """
    view = app.view_functions[endpoint]
    methods = getattr(view, "view_class", None)
    if methods is None:
        return declared_access(view)
    found = getattr(methods, "get" if method == "HEAD" else method.lower(), None)
    return Role.VIEWER if found is None else declared_access(found)

"""The viewer of a page: identity, permissions, language and colours.

Language and colours follow the browser's settings, unless the viewer has chosen others.

Catalogues are `.po` files, compiled in memory at their first use in some tens of milliseconds, so that there are no
built files that could be missing or outdated.
"""

from __future__ import annotations

import functools
import io
from pathlib import Path
from urllib.parse import urlencode

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from flask import Flask, Response, current_app, g, redirect, request
from flask_babel import Babel, Domain, get_locale
from werkzeug.exceptions import BadRequest

from api.auth.saved_form import ReshowReason, is_form, page_address, show_again
from api.console.blueprint import blp
from api.console.single_submit import new_token
from api.console.template_filters import number
from api.http.safe_redirect import local_address
from api.permissions import access_to, is_allowed, public
from api.principal import Principal
from shared.domain.sentences import ErrorCode

LANGUAGES = {"en": "English", "ru": "Русский"}
THEMES = ("light", "dark")
CHOICES = {"language": tuple(LANGUAGES), "theme": THEMES}
"""Names of cookies, parameters and buttons; an empty value means the browser's setting."""
CATALOGUES = Path(__file__).parent / "translations"
ONE_YEAR = 365 * 24 * 3600


class _Grouped(NullTranslations):
    """Formats the count in a plural with grouping: 20,000 and not 20000."""

    def ungettext(self, singular: str, plural: str, num: int) -> str:
        """The form for that number, with the number in it."""
        return str(super().ungettext(singular, plural, num)).replace("%(num)d", number(num))


class _English(_Grouped):
    """The English sentences of the source."""


class _Translated(_Grouped, Translations):
    """The sentences of a catalogue."""


class Catalogues(Domain):
    """The translations, compiled at their first use."""

    def get_translations(self) -> NullTranslations:
        """The translations for the viewer's language."""
        return _translations(str(get_locale()))


def register_preferences(app: Flask) -> None:
    """Translates, and gives templates `language`, `languages`, `theme`, `here`, `person` and `may`.

    `here` is the page's address; `person` is the principal, or None on public pages. `may` returns whether the viewer
    may open the page of an endpoint, by the rules of api/auth: pages show no other links.
    """
    babel = Babel(app, locale_selector=language)
    babel.domain_instance = Catalogues()

    app.jinja_env.globals["form_token"] = new_token

    @app.context_processor
    def viewer() -> dict[str, object]:
        return {
            **{"language": language(), "languages": LANGUAGES, "theme": theme(), "here": page_address()},
            **{"person": person(), "may": may},
        }


def language() -> str:
    """The chosen language, or else the best match to the browser's."""
    chosen = chosen_now().get("language", request.cookies.get("language"))
    if chosen in LANGUAGES:
        return chosen
    return request.accept_languages.best_match(LANGUAGES) or "en"


def theme() -> str | None:
    """The chosen colours; None for the system's setting."""
    chosen = chosen_now().get("theme", request.cookies.get("theme"))
    return chosen if chosen in THEMES else None


def chosen_now() -> dict[str, str]:
    """The preferences that this request sets, by the names of CHOICES."""
    chosen: dict[str, str] = g.get("chosen", {})
    return chosen


def person() -> Principal | None:
    """The principal, even if its role is not sufficient; None without a session."""
    found: Principal | None = g.get("principal")
    return found


def may(endpoint: str) -> bool:
    """Whether the viewer may open the page."""
    viewer = person()
    return viewer is not None and is_allowed(viewer.role, access_to(current_app, endpoint, "GET"))


@blp.get("/preferences/")
@public
def set_preference() -> Response:
    """Sets a preference, and returns to the page where it was chosen."""
    return redirect(local_address(request.args.get("next"), "/"))  # type: ignore[return-value]


@blp.before_request
def read_preferences() -> Response | None:
    """Reads a preference from a page's address or form, so that switching does not lose typed content.

    The form is shown again unchanged. Raises BadRequest for an unknown choice.
    """
    if not apply_preferences():
        raise BadRequest(ErrorCode.NO_SUCH_CHOICE())
    if not g.chosen or request.endpoint == "console.set_preference":
        return None
    if is_form():
        show_again(ReshowReason.SWITCHED)
        return None
    others = [(name, text) for name, text in request.args.items(multi=True) if name not in CHOICES]
    return redirect(f"{request.path}?{urlencode(others)}".rstrip("?"))  # type: ignore[return-value]


def apply_preferences() -> bool:
    """Applies the preferences in the request from now on; False, and none of them, if one is unknown."""
    sent = request.form if is_form() else request.args
    chosen = {name: sent[name] for name in CHOICES if name in sent}
    is_known = all(choice in (*CHOICES[name], "") for name, choice in chosen.items())
    g.chosen = chosen if is_known else {}
    return is_known


@blp.after_request
def keep_preferences(response: Response) -> Response:
    """Keeps the preferences in cookies."""
    for name, choice in chosen_now().items():
        secure = request.is_secure
        response.set_cookie(name, choice, max_age=ONE_YEAR, secure=secure, httponly=True, samesite="Lax")
    return response


@functools.cache
def _translations(name: str) -> NullTranslations:
    file = CATALOGUES / f"{name}.po"
    if not file.exists():
        return _English()
    compiled = io.BytesIO()
    with file.open("rb") as written:
        write_mo(compiled, read_po(written, locale=name))
    compiled.seek(0)
    return _Translated(compiled)

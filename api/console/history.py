"""The history of a mailing and of a draft: their earlier texts, with authors and times."""

from __future__ import annotations

from functools import partial

from flask import render_template

from api.console.blueprint import blp
from api.console.paging import paged
from api.drafts.queries import draft_by_id, versions_of
from api.http.fields import MAX_ID
from api.mailings.queries import mailing_by_id
from api.mailings.revisions import revisions_before
from api.permissions import requires
from shared.domain.roles import Role


@blp.get("/mailings/<id:mailing_id>/texts/")
@requires(Role.VIEWER)
def mailing_texts(mailing_id: int) -> str:
    """The texts of a mailing, latest first."""
    found = paged(partial(revisions_before, mailing_id), lambda revision: int(revision.number), MAX_ID)
    return render_template("console/mailing_texts.html", mailing=mailing_by_id(mailing_id), found=found)


@blp.get("/mailings/drafts/<id:draft_id>/versions/")
@requires(Role.OPERATOR)
def draft_versions(draft_id: int) -> str:
    """The versions of a draft, latest first."""
    draft = draft_by_id(draft_id)
    return render_template("console/draft_versions.html", draft=draft, versions=versions_of(draft))

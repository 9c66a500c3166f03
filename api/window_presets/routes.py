"""The list of presets of local windows."""

from __future__ import annotations

from collections.abc import Sequence

from flask.views import MethodView

from api.http.blueprint import Blueprint
from api.permissions import requires
from api.window_presets.schemas import WindowPresetSchema
from shared.domain.roles import Role
from shared.domain.window_presets import PRESETS, WindowPreset

blp = Blueprint("WindowPresets", "/v1/window-preset", "Local windows by country, with their sources.")


@blp.route("/")
class WindowPresets(MethodView):
    @requires(Role.VIEWER)
    @blp.operation("listWindowPresets")
    @blp.response(200, WindowPresetSchema(many=True))
    def get(self) -> Sequence[WindowPreset]:
        """List presets of local windows, with their sources

        `local_from`, `local_until` and `local_weekdays` are as a mailing and the sending rules take them. For
        `holiday_country` add a holiday calendar. They are no legal advice.
        """
        return list(PRESETS)

"""The Flask extensions, created once and bound to the application by create_app."""

from __future__ import annotations

from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy

from shared.schema import Base

# Objects are not reloaded after a commit: another request may have removed the row by then.
db = SQLAlchemy(model_class=Base, session_options={"expire_on_commit": False})
migrate = Migrate()

"""A small OpenID Connect provider on 127.0.0.1: it knows one person, asks nothing, and can be told to cheat."""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
import time
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

from flask import Flask, jsonify, redirect, request
from joserfc import jwt
from joserfc.jwk import RSAKey
from werkzeug.serving import make_server
from werkzeug.wrappers import Response

CLIENT_ID, CLIENT_SECRET = "gonets", "the-secret-that-gonets-has-with-the-provider"


class OpenIdProvider:
    """Serves until it is left; `claims` is what it says of the person, `cheat` what is to be wrong with its token."""

    def __init__(self) -> None:
        self.claims: dict[str, Any] = {"sub": "248289761001", "name": "Jane Doe", "roles": ["operator"]}
        self.userinfo: dict[str, Any] = {}
        self.cheat: dict[str, Any] = {}
        self.refusal: str | None = None
        self.signing_key = self._key = RSAKey.generate_key(2048, {"kid": "1", "use": "sig", "alg": "RS256"})
        self._codes: dict[str, dict[str, str]] = {}
        self._server = make_server("127.0.0.1", 0, self._app(), threaded=True)
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _app(self) -> Flask:
        app = Flask("provider")
        app.add_url_rule("/.well-known/openid-configuration", view_func=self._configuration)
        app.add_url_rule("/jwks", view_func=self._jwks)
        app.add_url_rule("/authorize", view_func=self._authorize)
        app.add_url_rule("/token", view_func=self._token, methods=["POST"])
        app.add_url_rule("/userinfo", view_func=self._userinfo)
        return app

    def _configuration(self) -> Response:
        addresses = {f"{what}_endpoint": f"{self.issuer}/{what}" for what in ("token", "userinfo")}
        return jsonify(
            issuer=self.issuer,
            authorization_endpoint=f"{self.issuer}/authorize",
            jwks_uri=f"{self.issuer}/jwks",
            id_token_signing_alg_values_supported=["RS256"],
            **addresses,
        )

    def _jwks(self) -> Response:
        return jsonify(keys=[self._key.as_dict(private=False)])

    def _authorize(self) -> Response:
        asked = request.args.to_dict()
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT_ID
        assert asked["code_challenge_method"] == "S256"
        back = {"state": asked["state"]}
        if self.refusal:
            back["error"] = self.refusal
        else:
            back["code"] = secrets.token_urlsafe()
            self._codes[back["code"]] = asked
        return redirect(f"{asked['redirect_uri']}?{urlencode(back)}")

    def _token(self) -> Response | tuple[Response, int]:
        asked = self._codes.pop(request.form.get("code", ""), None)
        verifier = hashlib.sha256(request.form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(verifier).rstrip(b"=").decode()
        known = request.authorization and request.authorization.password == CLIENT_SECRET
        if not asked or not known or challenge != asked["code_challenge"]:
            return jsonify(error="invalid_grant"), 400
        now = int(time.time())
        basic = {"iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": asked["nonce"]}
        token = jwt.encode({"alg": "RS256", "kid": "1"}, basic | self.claims | self.cheat, self.signing_key)
        proof = {} if "id_token" in self.cheat else {"id_token": token}
        return jsonify(access_token="an access token", token_type="Bearer", expires_in=300, **proof)

    def _userinfo(self) -> Response:
        assert request.headers["Authorization"] == "Bearer an access token"
        return jsonify({"sub": self.claims["sub"], **self.userinfo})

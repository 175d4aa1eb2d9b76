"""A small OpenID provider served over HTTP; a test decides who logs in and what its word is."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

CLIENT = "tradewright-tests"
CLIENT_SECRET = "client-secret-of-the-tests"
SOON = 10.0


@dataclass
class Provider:
    """What the provider says; `claims` are put over what it would say, `None` takes away."""

    now: datetime
    issuer: str = ""
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048))
    signing: Any = None
    algorithm: str = "RS256"
    claims: dict[str, Any] = field(default_factory=dict)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    down: bool = False
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.key.ensure_kid()
        self.signing = self.key

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._configuration),
                Route("/keys", self._keys),
                Route("/authorize", self._authorize),
                Route("/token", self._token, methods=["POST"]),
            ]
        )

    async def _configuration(self, _request: Request) -> Response:
        self.asked.append("configuration")
        if self.down:
            return Response(status_code=500)
        return JSONResponse(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}authorize",
                "token_endpoint": f"{self.issuer}token",
                "jwks_uri": f"{self.issuer}keys",
                "response_types_supported": ["code"],
            }
        )

    async def _keys(self, _request: Request) -> Response:
        self.asked.append("keys")
        return JSONResponse(KeySet([self.key]).as_dict(private=False))

    async def _authorize(self, request: Request) -> Response:
        given = dict(request.query_params)
        code = hashlib.sha256(given["state"].encode()).hexdigest()
        self.codes[code] = given
        back = urlencode({"code": code, "state": given["state"]})
        return RedirectResponse(f"{given['redirect_uri']}?{back}", status_code=302)

    async def _token(self, request: Request) -> Response:
        self.asked.append("token")
        form = {
            name: values[0] for name, values in parse_qs((await request.body()).decode()).items()
        }
        given = self.codes.pop(form["code"], None)
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        basic = base64.b64encode(f"{CLIENT}:{CLIENT_SECRET}".encode()).decode()
        good = given is not None and given["code_challenge"] == challenge
        if not good or request.headers.get("authorization") != f"Basic {basic}":
            return JSONResponse({"error": "invalid_grant"}, status_code=400)
        assert given is not None
        return JSONResponse({"access_token": "theirs", "id_token": self._id_token(given)})

    def _id_token(self, given: dict[str, str]) -> str:
        at = int(self.now.timestamp())
        said = {
            "iss": self.issuer,
            "aud": CLIENT,
            "sub": "person-1",
            "iat": at,
            "exp": at + 300,
            "nonce": given["nonce"],
            "email": "Anna@Example.com",
            "email_verified": True,
        }
        claims = {k: v for k, v in (said | self.claims).items() if v is not None}
        header = {"alg": self.algorithm, "kid": self.signing.kid}
        return jwt.encode(header, claims, self.signing, algorithms=[self.algorithm])


@contextmanager
def provider_over_http(now: datetime) -> Iterator[Provider]:
    """Serve a provider on a port of this machine."""
    provider = Provider(now)
    config = uvicorn.Config(
        provider.app(), host="127.0.0.1", port=0, log_config=None, lifespan="off"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        waited = threading.Event()
        for _ in range(int(SOON / 0.02)):
            if server.started:
                break
            waited.wait(0.02)
        (socket,) = server.servers[0].sockets
        provider.issuer = f"http://127.0.0.1:{socket.getsockname()[1]}/"
        yield provider
    finally:
        server.should_exit = True
        thread.join(SOON)

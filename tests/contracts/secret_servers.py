"""Servers that keep secrets as Vault and AWS Secrets Manager do, over real HTTP on this machine.

Requests and answers are those of the vendors' documentation: Vault's HTTP API (KV version 2, "Read
secret version"; AppRole, "Login with AppRole") and the API reference of Secrets Manager
(GetSecretValue, "Common errors").
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ROLE_ID = "db02de05-fa39-4855-059b-67221c5c2f63"
SECRET_ID = "6a174c20-f6de-a53c-74d2-6018fcceff64"
TOKEN = "hvs.CAESIJlWh3uVKPyaOm0aCVzLF9VrXMGqPUDm3qKjgF5PZSVf"


@dataclass
class Asked:
    """A request that came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Keeper:
    """A server, what it was asked, and how it fails if it is to."""

    values: dict[str, Any]
    asked: list[Asked] = field(default_factory=list)
    url: str = ""
    fails: tuple[int, bytes] | None = None
    waits: threading.Event | None = None
    drips: bool = False

    def answer(self, asked: Asked) -> tuple[int, Any]:
        """The status and the JSON of the answer."""
        raise NotImplementedError


@dataclass
class Vault(Keeper):
    """Vault: a secret at `secret/tradewright`, opened by a token or by an AppRole."""

    tokens: set[str] = field(default_factory=lambda: {TOKEN})
    lease: int = 1200
    namespace: str | None = None
    deleted: bool = False
    logins: int = 0

    def answer(self, asked: Asked) -> tuple[int, Any]:
        if asked.headers.get("X-Vault-Namespace") != self.namespace:
            return 403, {"errors": ["permission denied"]}
        if (asked.method, asked.path) == ("POST", "/v1/auth/approle/login"):
            return self._login(json.loads(asked.body))
        if asked.headers.get("X-Vault-Token") not in self.tokens:
            return 403, {"errors": ["permission denied"]}
        if (asked.method, asked.path) != ("GET", "/v1/secret/data/tradewright"):
            return 404, {"errors": []}
        metadata = {
            "created_time": "2018-03-22T02:24:06.945319214Z",
            "custom_metadata": None,
            "deletion_time": "2018-03-22T02:36:43.986212308Z" if self.deleted else "",
            "destroyed": False,
            "version": 2,
        }
        held = None if self.deleted else self.values
        return 404 if self.deleted else 200, {"data": {"data": held, "metadata": metadata}}

    def _login(self, shown: Mapping[str, str]) -> tuple[int, Any]:
        if shown != {"role_id": ROLE_ID, "secret_id": SECRET_ID}:
            return 400, {"errors": ["invalid role or secret ID"]}
        self.logins += 1
        token = f"hvs.login-{self.logins}"
        self.tokens.add(token)
        auth = {
            "renewable": True,
            "lease_duration": self.lease,
            "metadata": None,
            "token_policies": ["default"],
            "accessor": "fd6c9a00-d2dc-3b11-0be5-af7ae0e1d374",
            "client_token": token,
        }
        rest = {"warnings": None, "wrap_info": None, "data": None, "lease_id": ""}
        return 200, {"auth": auth, "lease_duration": 0, "renewable": False, **rest}


@dataclass
class Aws(Keeper):
    """Secrets Manager: a secret `tradewright`, told to whoever signs by a known key id."""

    key_id: str = "AKIAIOSFODNN7EXAMPLE"
    text: str | None = None

    def answer(self, asked: Asked) -> tuple[int, Any]:
        if f"Credential={self.key_id}/" not in asked.headers.get("Authorization", ""):
            kind = "UnrecognizedClientException"
            return 400, {"__type": kind, "message": "The security token included is invalid."}
        target = asked.headers.get("X-Amz-Target")
        assert (asked.method, asked.path, target) == (
            *("POST", "/", "secretsmanager.GetSecretValue"),
        )
        if json.loads(asked.body) != {"SecretId": "tradewright"}:
            message = "Secrets Manager can't find the specified secret."
            return 400, {"__type": "ResourceNotFoundException", "Message": message}
        arn = "arn:aws:secretsmanager:us-west-2:123456789012:secret:tradewright-a1b2c3"
        return 200, {
            "ARN": arn,
            "CreatedDate": 1.523477145713e9,
            "Name": "tradewright",
            "SecretString": json.dumps(self.values) if self.text is None else self.text,
            "VersionId": "EXAMPLE1-90ab-cdef-fedc-ba987SECRET1",
            "VersionStages": ["AWSCURRENT"],
        }


@contextmanager
def serving(keeper: Keeper) -> Iterator[None]:
    """Let a keeper answer on a port of its own."""

    class Door(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            asked = Asked(self.command, self.path, dict(self.headers), self.rfile.read(length))
            asked.headers = {name.title(): value for name, value in asked.headers.items()}
            keeper.asked.append(asked)
            if keeper.waits is not None:
                keeper.waits.wait(10)
            if keeper.fails is not None:
                status, content = keeper.fails
            else:
                status, body = keeper.answer(asked)
                content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            if status in {301, 307}:
                self.send_header("Location", f"{keeper.url}/elsewhere")
            self.end_headers()
            self._write(content)

        def _write(self, content: bytes) -> None:
            if not keeper.drips:
                self.wfile.write(content)
                return
            pause = threading.Event()
            for place in range(len(content)):
                try:
                    self.wfile.write(content[place : place + 1])
                except OSError:
                    return
                pause.wait(0.1)

        do_GET = do_POST = _serve  # noqa: N815 - the library's names

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    server.daemon_threads = True
    keeper.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield
    finally:
        if keeper.waits is not None:
            keeper.waits.set()
        server.shutdown()
        thread.join()
        server.server_close()


def until(seen: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Wait until something is seen; False if it is not in time."""
    pause = threading.Event()
    for _ in range(int(seconds / 0.01)):
        if seen():
            return True
        pause.wait(0.01)
    return seen()

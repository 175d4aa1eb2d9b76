"""Twenty secrets are planted wherever one can be; none is read again where others may look.

Settings, the folder of secrets, headers, bodies, queries, paths, errors and tracebacks on the one
side; logs, answers, metrics, the audit log, `config show` and complaints of commands on the other.
"""

from __future__ import annotations

import io
import json
import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx
import psycopg
import pytest
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from tests.cli.commands import run
from tests.contracts.secret_servers import TOKEN, Vault, serving
from tests.services.notebook import SECRET, SERVICE, Notebook, a_notebook
from tradewright.core.access import Permission
from tradewright.core.errors import InvalidInput, SafetyError, VenueUnavailable
from tradewright.core.records import Note
from tradewright.ops.logging import configure_logging, logger
from tradewright.ops.redaction import Redactor
from tradewright.services.app import Have
from tradewright.services.security import GuardedRoute, needs, public
from tradewright.wire import signing

PLANTED = {
    name: f"pLanted-{number:02}-{name}-9f3"
    for number, name in enumerate(
        (
            *("database", "redis", "broker-secret", "jwt", "oidc", "session-seal", "internal"),
            *("bearer", "basic", "cookie", "csrf", "user-context", "signature", "broker-header"),
            *("body-password", "body-token", "query-token", "query-code", "error", "traceback"),
        )
    )
}
KEY = f"-----BEGIN PRIVATE KEY-----\n{PLANTED['jwt']}\n-----END PRIVATE KEY-----"
SETTINGS = {
    "ALPACA_API_KEY_ID": "PKAAAAAAAAAAAAAAAAAA",
    "ALPACA_API_SECRET_KEY": PLANTED["broker-secret"],
    "AUTH0_CLIENT_SECRET": PLANTED["oidc"],
}
FILES = {
    "JWT_SIGNING_KEY": KEY,
    "SESSION_ENCRYPTION_KEY": PLANTED["session-seal"],
    signing.secret_name("planted"): PLANTED["internal"],
}
"""Secrets that a service reads from its folder."""
HEADERS = {
    "Authorization": f"Bearer {PLANTED['bearer']}",
    "Proxy-Authorization": f"Basic {PLANTED['basic']}",
    "Cookie": f"session={PLANTED['cookie']}",
    "X-CSRF-Token": PLANTED["csrf"],
    "X-User-Context": PLANTED["user-context"],
    "APCA-API-SECRET-KEY": PLANTED["broker-header"],
}
BODY = {"password": PLANTED["body-password"], "token": PLANTED["body-token"], "copies": "many"}
QUERY = f"token={PLANTED['query-token']}&code={PLANTED['query-code']}"


def shown(name: str) -> tuple[str, ...]:
    """The forms in which a planted secret could be seen."""
    value = PLANTED[name]
    return (value, quote(value), value[:-4], value.encode().hex())


def leaks(text: str) -> list[str]:
    """The names of the planted secrets in a text."""
    return [name for name in PLANTED if any(form in text for form in shown(name))]


def test_twenty_are_planted_and_each_would_be_seen() -> None:
    assert len(PLANTED) == 20
    for name, value in PLANTED.items():
        assert leaks(f"x {value} y") == [name]


class Login(BaseModel):
    """A body with secrets."""

    password: str = Field(max_length=5)
    token: str = Field(pattern="^[a-z]{3}$")
    copies: int


router = APIRouter(route_class=GuardedRoute)


@router.post("/login", dependencies=[public("for the tests")])
async def login(body: Login) -> dict[str, str]:
    """Take secrets in a body."""
    return {"password": body.password}


@router.get("/raise/{kind}", dependencies=[public("for the tests")])
async def fail(kind: str, request: Request) -> None:
    """Fail with secrets in the message, the cause and the frames."""
    secret, inner = PLANTED["error"], PLANTED["traceback"]
    headers = dict(request.headers)
    try:
        raise_with(f"while reading password={inner} with {headers}")
    except RuntimeError as error:
        if kind == "safety":
            raise SafetyError(f"redis://:{secret}@cache did not answer") from error
        if kind == "venue":
            raise VenueUnavailable("alpaca", f"APCA-API-SECRET-KEY: {secret}", secret) from error
        if kind == "input":
            raise InvalidInput("password", secret, "is too short") from error
        raise ValueError(f"unforeseen, Authorization: Bearer {secret}") from error


def raise_with(message: str) -> None:
    raise RuntimeError(message)


@router.post("/careless", dependencies=[needs(Permission.VIEW)])
async def careless(request: Request, resources: Have) -> dict[str, str]:
    """Log and record whatever came, as nobody should."""
    headers, body = dict(request.headers), await request.body()
    logger("careless").info("got %s" % headers, headers=headers, query=str(request.url))  # noqa: UP031
    logger("careless").warning("body", body=body, parsed=json.loads(body))
    logging.getLogger("library").error("raw %r, url %s", request.scope["headers"], request.url)
    resources.secrets.get("JWT_SIGNING_KEY")
    logger("careless").info("key is %s", KEY)
    for name in FILES:
        logger("careless").info("read", what=resources.secrets.get(name))
    return {"done": "yes"}


NONE: Mapping[str, str] = {}


@dataclass
class Scene:
    """A notebook with planted secrets, what it logged and what it answered."""

    notebook: Notebook
    log: io.StringIO
    answers: list[httpx.Response]
    database_url: str

    async def send(
        self, method: str, target: str, *, signed: bool = False, more: Mapping[str, str] = NONE
    ) -> None:
        """Send a request that carries every planted header."""
        content = json.dumps(BODY).encode()
        headers = dict(HEADERS)
        if signed:
            headers = {k: v for k, v in headers.items() if k not in STRONG}
            headers |= self.notebook.signed(method, target, content)
        headers |= {"Content-Type": "application/json", **more}
        self.answers.append(
            await self.notebook.http.request(method, target, content=content, headers=headers)
        )


STRONG = ("Authorization", "Cookie", "X-User-Context")
"""What would contradict a signature."""


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    level, stream = root.level, io.StringIO()
    yield stream
    configure_logging("notebook", "INFO", stream=io.StringIO())
    root.setLevel(level)
    logging.captureWarnings(capture=False)


@pytest.fixture
async def scene(
    tmp_path: Path, database_url: str, redis_url: str, log: io.StringIO
) -> AsyncIterator[Scene]:
    folder = tmp_path / "secrets"
    folder.mkdir(mode=0o700)
    for name, value in FILES.items():
        (folder / name).write_text(value, encoding="utf-8")
        (folder / name).chmod(0o600)
    redactor = Redactor(SETTINGS.values())
    configure_logging("notebook", "INFO", stream=log, secrets=redactor)
    async with a_notebook(
        tmp_path,
        database_url,
        redis_url,
        settings=SETTINGS,
        more=(router,),
        learn=redactor.learn,
    ) as notebook:
        yield Scene(notebook, log, [], database_url)


async def test_no_secret_is_read_again(scene: Scene) -> None:
    await scene.send("POST", f"/login?{QUERY}")
    for kind in ("safety", "venue", "input", "unforeseen"):
        await scene.send("GET", f"/raise/{kind}?{QUERY}")
    await scene.send("POST", f"/careless?{QUERY}", signed=True)
    await scene.send("POST", f"/notes?{QUERY}")
    await scene.send("GET", f"/notes/{PLANTED['query-token']}?{QUERY}", signed=True)
    await scene.send("GET", f"/nowhere/{PLANTED['query-token']}?{QUERY}")
    await scene.send("DELETE", f"/notes/1?{QUERY}", more={"X-Signature": PLANTED["signature"]})
    await scene.send(
        "POST",
        f"/notes?{QUERY}",
        more=scene.notebook.signed("POST", "/notes") | {"X-Signature": PLANTED["signature"]},
    )
    assert scene.notebook.shelf.resources is not None
    note = Note(scene.notebook.shelf.resources.clock.now(), SERVICE, "test.done", {})
    await scene.notebook.shelf.resources.audit.append(note)
    metrics = await scene.notebook.http.get("/metrics")
    health = await scene.notebook.http.get("/health")

    codes = [answer.status_code for answer in scene.answers]
    assert codes[:6] == [422, 503, 502, 422, 500, 200], codes
    assert not leaks(metrics.text + health.text)
    for answer in scene.answers:
        assert not leaks(answer.text + str(answer.headers)), answer.url.path
    lines = [json.loads(line) for line in scene.log.getvalue().splitlines()]
    assert {"careless", "library"} <= {line["logger"] for line in lines}
    assert any("Traceback" in line.get("exception", "") for line in lines)
    for line in lines:
        assert not leaks(json.dumps(line, ensure_ascii=False)), line
    with psycopg.connect(scene.database_url) as link:
        rows = link.execute("SELECT kind, actor, body FROM audit_log").fetchall()
    assert len(rows) > 1
    assert not leaks(str(rows))


async def test_secrets_of_vault_are_hidden_from_the_moment_they_are_read(
    tmp_path: Path, database_url: str, redis_url: str, log: io.StringIO
) -> None:
    server = Vault(FILES | {signing.secret_name(SERVICE): SECRET})
    redactor = Redactor(SETTINGS.values())
    configure_logging("notebook", "INFO", stream=log, secrets=redactor)
    folder = tmp_path / "secrets"
    folder.mkdir(mode=0o700)
    (folder / "VAULT_TOKEN").write_text(TOKEN, encoding="utf-8")
    (folder / "VAULT_TOKEN").chmod(0o600)
    with serving(server):
        settings = SETTINGS | {"SECRETS_BACKEND": "vault", "VAULT_ADDR": server.url}
        async with a_notebook(
            *(tmp_path, database_url, redis_url),
            settings=settings,
            more=(router,),
            learn=redactor.learn,
        ) as notebook:
            content = json.dumps(BODY).encode()
            answer = await notebook.send("POST", "/careless", content)
            logger("careless").info("opened with %s", TOKEN)
            health = (await notebook.http.get("/health")).json()
    assert answer.status_code == 200
    assert health["checks"]["secrets"]["status"] == "healthy"
    text = log.getvalue()
    assert not leaks(text.replace(PLANTED["body-password"], ""))
    assert "careless" in text
    assert TOKEN not in text


PASSWORDS = {
    "DATABASE_URL": f"postgresql://trader:{PLANTED['database']}@127.0.0.1:9/x",
    "REDIS_URL": f"redis://:{PLANTED['redis']}@127.0.0.1:9/0",
}
COMMANDS = {
    "show": (("config", "show"), {}),
    "show as JSON": (("config", "show", "--json"), {}),
    "check": (("config", "check"), {}),
    "a wrong value": (("config", "check"), {"DATABASE_POOL_MIN": PLANTED["error"]}),
    "a URL that is none": (("audit", "head"), {"DATABASE_URL": PLANTED["database"]}),
    "databases that do not answer": (("audit", "head"), {}),
    "doctor": (("doctor",), {}),
    "a service that cannot start": (("serve", "auth", "--port", "0"), {}),
    "a Vault that does not answer": (
        ("config", "check", "--services"),
        {"SECRETS_BACKEND": "vault", "VAULT_ADDR": "http://127.0.0.1:9"}
        | {"VAULT_TOKEN": PLANTED["bearer"]},
    ),
    "a Vault with a password in its address": (
        ("config", "show"),
        {"VAULT_ADDR": f"https://me:{PLANTED['basic']}@127.0.0.1:9"},
    ),
    "a service whose secrets AWS keeps": (
        ("serve", "auth", "--port", "0"),
        {"SECRETS_BACKEND": "aws", "AWS_REGION": "eu-west-1"}
        | {"AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://127.0.0.1:9"}
        | {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE"}
        | {"AWS_SECRET_ACCESS_KEY": PLANTED["broker-header"]},
    ),
    "an unknown setting": (("config", "check"), {"TRADEWRIGHT_X": PLANTED["error"]}),
}


@pytest.mark.parametrize("what", COMMANDS)
def test_commands_keep_them_too(what: str, tmp_path: Path) -> None:
    arguments, more = COMMANDS[what]
    secrets = tmp_path / "secrets"
    secrets.mkdir(mode=0o700)
    for name, value in FILES.items():
        (secrets / name).write_text(value, encoding="utf-8")
        (secrets / name).chmod(0o600)
    settings = SETTINGS | PASSWORDS | {"TRADEWRIGHT_SECRETS_DIR": str(secrets)} | more
    told = run(tmp_path, *arguments, settings=settings)
    assert told.out + told.err
    # An unknown setting's value is not shown either.
    assert not leaks(told.out + told.err)


def test_the_scan_would_see_them_without_the_redactor(log: io.StringIO) -> None:
    plain = logging.StreamHandler(log)
    careless_logger = logging.getLogger("plain")
    careless_logger.addHandler(plain)
    careless_logger.error("headers %s body %s", HEADERS, BODY)
    careless_logger.removeHandler(plain)
    assert set(leaks(log.getvalue())) >= {"bearer", "cookie", "body-password"}

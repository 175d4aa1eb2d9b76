"""The promises of TokenSigner and IdentityProvider, kept by fakes and by the real ones."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.services.provider import CLIENT, CLIENT_SECRET, provider_over_http
from tradewright.adapters.memory import (
    MemoryIdentityProvider,
    MemorySecretStore,
    MemorySessionStore,
    MemoryTokenSigner,
)
from tradewright.adapters.oidc import OpenIdProvider
from tradewright.adapters.tokens import SignedTokens, TokenTerms, new_signing_key
from tradewright.core.access import Role, UserSession
from tradewright.core.access.accounts import Identity
from tradewright.core.clock import ManualClock
from tradewright.core.errors import NotAuthenticated
from tradewright.ports import IdentityProvider, TokenSigner

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
SESSION = UserSession(
    id="s-1",
    user="u-1",
    roles=frozenset({Role.VIEWER}),
    strategies=None,
    started=NOON,
    expires=NOON + timedelta(minutes=30),
    csrf="c",
)


@pytest.fixture(params=["memory", "signed"])
def signer(request: pytest.FixtureRequest) -> TokenSigner:
    if request.param == "memory":
        return MemoryTokenSigner()
    clock = ManualClock(NOON)
    secrets = MemorySecretStore({"JWT_SIGNING_KEY": new_signing_key()})
    return SignedTokens(secrets, MemorySessionStore(clock), clock, lambda: "id", TokenTerms())


def test_a_token_speaks_for_one_session(signer: TokenSigner) -> None:
    other = replace(SESSION, id="s-2")
    assert signer.issue(SESSION)
    assert signer.issue(SESSION) != signer.issue(other)


def test_a_key_set_holds_nothing_private(signer: TokenSigner) -> None:
    keys = signer.key_set()["keys"]
    assert isinstance(keys, list)
    assert all(isinstance(key, dict) and "d" not in key for key in keys)


@dataclass
class Ground:
    provider: IdentityProvider
    code_for: Callable[[str], Awaitable[str]]
    identity: Identity


@pytest.fixture(params=["memory", "openid"])
async def ground(request: pytest.FixtureRequest) -> AsyncIterator[Ground]:
    if request.param == "memory":
        identity = Identity("issuer|person-1", "anna@example.com", second_factor=False)

        async def known(_url: str) -> str:
            return "code"

        yield Ground(MemoryIdentityProvider({"code": identity}), known, identity)
        return
    for server in _served():
        yield server


def _served() -> Iterator[Ground]:
    with provider_over_http(NOON) as running:
        secrets = MemorySecretStore({"AUTH0_CLIENT_SECRET": CLIENT_SECRET})
        clock = ManualClock(NOON)
        identity = Identity(f"{running.issuer}|person-1", "anna@example.com", second_factor=False)

        async def asked(url: str) -> str:
            async with httpx.AsyncClient(trust_env=False) as browser:
                back = (await browser.get(url)).headers["location"]
            return parse_qs(urlsplit(back).query)["code"][0]

        here = "http://127.0.0.1/callback"
        provider = OpenIdProvider(running.issuer, CLIENT, here, secrets, clock)
        yield Ground(provider, asked, identity)


VERIFIER = "v" * 64


async def test_a_code_stands_for_a_person_once(ground: Ground) -> None:
    url = await ground.provider.redirect("state-1", "nonce-1", VERIFIER)
    assert parse_qs(urlsplit(url).query)["state"] == ["state-1"]
    code = await ground.code_for(url)
    assert await ground.provider.identify(code, "nonce-1", VERIFIER) == ground.identity
    with pytest.raises(NotAuthenticated):
        await ground.provider.identify(code, "nonce-1", VERIFIER)


@pytest.mark.parametrize(("nonce", "verifier"), [("other", VERIFIER), ("nonce-1", "w" * 64)])
async def test_a_code_is_bound_to_its_login(ground: Ground, nonce: str, verifier: str) -> None:
    code = await ground.code_for(await ground.provider.redirect("state-1", "nonce-1", VERIFIER))
    with pytest.raises(NotAuthenticated):
        await ground.provider.identify(code, nonce, verifier)

"""The typed clients of the auth service, against the real one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.services.doors import SECRETS, counted_ids
from tests.services.logins import PASSWORD, Stage, auth_stage
from tradewright.adapters.memory import MemorySecretStore
from tradewright.client import LoginClient, ServiceClient, UsersClient
from tradewright.core.access import Role
from tradewright.core.errors import NotAuthenticated, NotPermitted, PeerRefused
from tradewright.wire.auth import UserChange, UserRequest


@pytest.fixture
async def stage(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    async with auth_stage(database_url, redis_url, tmp_path) as running:
        yield running


@pytest.fixture
async def service(stage: Stage) -> AsyncIterator[ServiceClient]:
    client = ServiceClient(
        "http://localhost",
        "cli",
        MemorySecretStore(SECRETS),
        stage.clock,
        counted_ids(),
        transport=httpx.ASGITransport(app=stage.app),
    )
    async with client:
        yield client


async def test_a_login_from_beginning_to_end(stage: Stage, service: ServiceClient) -> None:
    await stage.add_guarded()
    logins = LoginClient(service)
    asked = await logins.login("olga", PASSWORD)
    assert (asked.status, asked.access_token) == ("second_factor_required", None)
    first = await logins.second_factor(asked.challenge or "", stage.code())
    token = first.access_token or ""
    assert (await logins.me(token)).name == "olga"
    assert [one.present for one in (await logins.sessions(token)).sessions] == [True]
    second = await logins.refresh(first.refresh_token or "")
    await logins.logout(second.access_token or "")
    with pytest.raises(NotAuthenticated) as refused:
        await logins.me(token)
    assert refused.value.code == "session_revoked"
    assert (await logins.key_set()).keys


async def test_logins_are_ended(stage: Stage, service: ServiceClient) -> None:
    await stage.add_user()
    logins = LoginClient(service)
    tokens = [(await logins.login("anna", PASSWORD)) for _ in range(3)]
    token = tokens[0].access_token or ""
    await logins.revoke(token, tokens[1].session_id or "")
    with pytest.raises(PeerRefused):
        await logins.revoke(token, tokens[1].session_id or "")
    assert await logins.revoke_all(token) == 2


async def test_a_wrong_password_is_told_by_its_class(stage: Stage, service: ServiceClient) -> None:
    await stage.add_user()
    with pytest.raises(NotAuthenticated):
        await LoginClient(service).login("anna", "wrong-" + PASSWORD)


async def test_accounts_are_managed_by_an_admin(stage: Stage, service: ServiceClient) -> None:
    await stage.add_guarded("root", Role.ADMIN)
    token = (await stage.login("root"))["access_token"]
    users, logins = UsersClient(service, token), LoginClient(service)
    made = await users.create(UserRequest(name="bela", roles=frozenset({Role.VIEWER})))
    await logins.set_up(made.setup_token, PASSWORD)
    theirs = (await logins.login("bela", PASSWORD)).access_token or ""
    found = made.user.user_id
    assert {one.name for one in (await users.users()).users} == {"root", "bela"}
    assert len((await users.sessions(found)).sessions) == 1
    with pytest.raises(NotPermitted):
        await UsersClient(service, theirs).users()
    changed = await users.change(found, UserChange(email="bela@example.com"))
    assert (changed.email, changed.roles) == ("bela@example.com", [Role.VIEWER])
    await logins.login("bela", PASSWORD)
    assert await users.revoke(found) == 1
    assert (await users.unlock(found)).failures == 0
    assert not (await users.reset(found)).user.has_password
    assert not (await users.user(found)).has_password

"""Settings read anew while a service runs: all of it, or nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.services.notebook import Notebook, a_notebook, settings_for
from tradewright.adapters.postgres import PostgresAuditTable
from tradewright.configuration import Settings
from tradewright.core.errors import ConfigError, SafetyError
from tradewright.core.records import Note
from tradewright.ops import metrics
from tradewright.services import reload as reloading
from tradewright.services.limits import Limit, table_of
from tradewright.wire import signing
from tradewright.wire.settings import RELOAD_PATH

CLI = "a-secret-of-the-command-line-for-the-tests"
NOTE = b'{"text":"hello"}'


class Ground:
    """A service, and the settings that it will find when it reads them anew."""

    def __init__(self, folder: Path, book: Notebook, given: dict[str, str]) -> None:
        self._folder = folder
        self.book = book
        self.given = given
        self.app: Any = book.server._app

    @property
    def settings(self) -> Settings:
        found: Settings = self.app.state.resources.settings
        return found

    def reads(self, **given: str) -> None:
        """Say what the settings are from now on."""
        self.given.clear()
        self.given.update(given)

    async def reload(self) -> httpx.Response:
        resources = self.app.state.resources
        facts = signing.RequestFacts(
            service="cli",
            timestamp=str(int(resources.clock.now().timestamp())),
            nonce=resources.ids(),
            method="POST",
            path=RELOAD_PATH,
            query="",
            body_hash=signing.body_hash(b""),
        )
        return await self.book.http.post(RELOAD_PATH, headers=signing.signing_headers(facts, CLI))

    async def audited(self) -> list[tuple[str, Any]]:
        entries = await PostgresAuditTable(self.app.state.resources.pool).since()
        return [(e.actor, e.body["changed"]) for e in entries if e.kind == reloading.KIND]


@pytest.fixture
async def ground(tmp_path: Path, database_url: str, redis_url: str) -> AsyncIterator[Ground]:
    async with a_ground(tmp_path, database_url, redis_url) as found:
        yield found


@asynccontextmanager
async def a_ground(folder: Path, database_url: str, redis_url: str) -> AsyncIterator[Ground]:
    given: dict[str, str] = {}
    secret = folder / "secrets" / signing.secret_name("cli")
    settings_for(folder)
    secret.write_text(CLI, encoding="utf-8")
    secret.chmod(0o600)
    async with a_notebook(
        folder, database_url, redis_url, fresh=lambda: settings_for(folder, **given)
    ) as book:
        yield Ground(folder, book, given)


def counted(outcome: str) -> float:
    named = {"outcome": outcome}
    return metrics.REGISTRY.get_sample_value("configuration_reloads_total", named) or 0.0


async def test_what_changed_is_in_force_told_and_audited(ground: Ground) -> None:
    before = counted("changed")
    ground.reads(
        CSP_MODE="report_only",
        RATE_LIMIT_CANCELS="3/minute",
        MAX_BODY_BYTES="2048",
        LOOP_LAG_WARNING_MS="50",
        ALLOWED_ORIGINS="https://console.example.com",
    )
    answer = await ground.reload()
    assert answer.status_code == 200, answer.text
    changed = {one["name"]: (one["before"], one["after"]) for one in answer.json()["changed"]}
    assert changed == {
        "CSP_MODE": ("enforce", "report_only"),
        "RATE_LIMIT_CANCELS": ("10/minute", "3/minute"),
        "MAX_BODY_BYTES": (1_048_576, 2048),
        "LOOP_LAG_WARNING_MS": (100.0, 50.0),
        "ALLOWED_ORIGINS": (None, "https://console.example.com"),
    }
    assert counted("changed") == before + 1
    health = await ground.book.http.get(
        "/health", headers={"Origin": "https://console.example.com"}
    )
    assert "content-security-policy-report-only" in health.headers
    assert health.headers["access-control-allow-origin"] == "https://console.example.com"
    long = await ground.book.send("POST", "/notes", b'{"text":"' + b"x" * 3000 + b'"}')
    assert long.status_code == 413
    assert table_of(ground.app.state).rates[Limit.CANCELS] == {"principal": (3, 60)}
    assert ground.settings.loop_lag_warning_ms == 50
    ((actor, told),) = await ground.audited()
    assert actor == "cli"
    assert told["CSP_MODE"] == {"before": "enforce", "after": "report_only"}
    assert set(told) == set(changed)


async def test_nothing_changed_is_no_change(ground: Ground) -> None:
    answer = await ground.reload()
    assert (answer.status_code, answer.json()["changed"]) == (200, [])
    assert await ground.audited() == []


async def test_what_needs_a_restart_keeps_all_that_changed_out(ground: Ground) -> None:
    before = counted("refused")
    ground.reads(CSP_MODE="report_only", DATABASE_POOL_MAX="30", AUTH_ISSUER="other")
    answer = await ground.reload()
    assert (answer.status_code, answer.json()["code"]) == (409, "reload_refused")
    assert "AUTH_ISSUER, DATABASE_POOL_MAX cannot change while it runs" in answer.json()["detail"]
    assert counted("refused") == before + 1
    assert ground.settings.csp_mode == "enforce"
    health = await ground.book.http.get("/health")
    assert "content-security-policy" in health.headers
    assert await ground.audited() == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"CSP_MODE": "sometimes"}, "CSP_MODE"),
        ({"MEMORY_CRITICAL_MB": "10"}, "MEMORY_CRITICAL_MB is below MEMORY_WARNING_MB"),
        ({"TRADEWRIGHT_NOTHING": "1"}, "unknown setting"),
    ],
)
async def test_settings_that_are_not_fit_leave_the_others(
    ground: Ground, given: dict[str, str], words: str
) -> None:
    held = ground.settings
    ground.reads(**given)
    answer = await ground.reload()
    assert (answer.status_code, answer.json()["code"]) == (409, "reload_refused")
    assert words in answer.json()["detail"]
    assert ground.settings is held


async def test_while_it_trades_nothing_changes(ground: Ground) -> None:
    ground.reads(CSP_MODE="report_only")
    ground.book.shelf.trading = True
    answer = await ground.reload()
    assert answer.status_code == 409
    assert "trading" in answer.json()["detail"]
    assert ground.settings.csp_mode == "enforce"
    ground.book.shelf.trading = False
    (changed,) = (await ground.reload()).json()["changed"]
    assert changed == {"name": "CSP_MODE", "before": "enforce", "after": "report_only"}


async def test_a_service_that_begins_to_trade_meanwhile_keeps_its_settings(
    ground: Ground,
) -> None:
    shelf = ground.book.shelf

    def read() -> Settings:
        shelf.trading = True
        return settings_for(ground._folder, CSP_MODE="report_only")

    again = reloading.Reload(ground.app, read, lambda own: own.trading)
    with pytest.raises(ConfigError, match="trading"):
        await again("user:anna")
    assert ground.settings.csp_mode == "enforce"


class Deaf:
    """An audit log that keeps nothing."""

    async def append(self, note: Note) -> None:
        raise SafetyError(f"{note.kind} could be kept nowhere")


async def test_what_cannot_be_audited_is_undone(ground: Ground) -> None:
    state = ground.app.state
    resources, policy, limits = state.resources, state.policy, table_of(state)
    object.__setattr__(resources, "audit", Deaf())
    ground.reads(CSP_MODE="report_only", RATE_LIMIT_CANCELS="3/minute")
    with pytest.raises(SafetyError):
        await state.reload("user:anna")
    assert state.resources.settings is resources.settings
    assert (state.policy, table_of(state)) == (policy, limits)


async def test_a_stranger_may_not(ground: Ground) -> None:
    assert (await ground.book.http.post(RELOAD_PATH)).status_code == 401
    refused = await ground.book.send("POST", RELOAD_PATH)
    assert (refused.status_code, refused.json()["code"]) == (403, "not_permitted")

"""Settings read anew while a service runs: all that changed is taken up, or nothing is.

The settings in force stay until the fresh ones are read, are compatible, and have been made into
what stands on them; a swap that cannot be audited is undone. What may change so is marked LIVE
beside each setting. While the service trades nothing changes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter, FastAPI, Request

from tradewright.bootstrap import Settings, changes, production_faults
from tradewright.core.access import Permission
from tradewright.core.errors import ConfigError, ReloadRefused
from tradewright.core.records import Body, Note
from tradewright.ops import metrics
from tradewright.ops.logging import logger, set_level
from tradewright.services.guards import EntrancePolicy
from tradewright.services.limits import LimitTable, table_of
from tradewright.services.security import CurrentPrincipal, GuardedRoute, needs
from tradewright.wire.settings import RELOAD_PATH, ReloadResponse, SettingChange

if TYPE_CHECKING:
    from tradewright.bootstrap import Resources
    from tradewright.configuration import Change, Shown
    from tradewright.services.health import Health

KIND: Final = "settings_reloaded"
_log: Final = logger(__name__)


class Reload:
    """Reads the settings of one service anew, one request at a time."""

    def __init__(
        self, app: FastAPI, read: Callable[[], Settings], is_trading: Callable[[Any], bool]
    ) -> None:
        """Swap what is on the app's state; `is_trading` is asked with the service's own state."""
        self._app = app
        self._read = read
        self._is_trading = is_trading
        self._turn = asyncio.Lock()

    async def __call__(self, actor: str) -> ReloadResponse:
        """Take up what changed, in the name of `actor`, and say what did.

        Raises:
            ReloadRefused: The service trades, the fresh settings are not fit, or one that changed
                needs a restart. Nothing has changed.
            SafetyError: It could not be audited. Nothing has changed.
        """
        try:
            async with self._turn:
                found = await self._reloaded(actor)
        except ConfigError as error:
            metrics.configuration_reloads.labels("refused").inc()
            _log.error("the settings in force stay", actor=actor, reason=str(error))
            raise
        metrics.configuration_reloads.labels("changed" if found else "unchanged").inc()
        told = [SettingChange(name=one.name, before=one.before, after=one.after) for one in found]
        return ReloadResponse(service=self._app.state.policy.service, changed=told)

    async def _reloaded(self, actor: str) -> list[Change]:
        self._require_rest()
        state = self._app.state
        before: Resources = state.resources
        fresh = await asyncio.to_thread(self._fresh)
        found = changes(before.settings, fresh)
        if stuck := [one.name for one in found if not one.live]:
            remedy = "restart the service, or put them back"
            raise ReloadRefused(f"{', '.join(stuck)} cannot change while it runs", remedy)
        if not found:
            return []
        old: EntrancePolicy = state.policy
        try:
            policy = EntrancePolicy.of(fresh, old.service, old.clock, old.ids, old.export)
            limits = LimitTable.of(fresh)
        except ConfigError as error:
            raise ReloadRefused(error.what, error.remedy) from error
        body: Body = {"service": old.service, "changed": _told(found)}
        note = Note(before.clock.now(), actor, KIND, body)
        # It may have begun to trade meanwhile; nothing waits between this and the swap.
        self._require_rest()
        kept = (before.settings, old, table_of(state))
        self._swap(fresh, policy, limits)
        is_kept = False
        try:
            await before.audit.append(note)
            is_kept = True
        finally:
            # Also when whoever asked has left: what is in force is in the log, or it is not.
            if not is_kept:
                self._swap(*kept)
        _log.warning("other settings are in force", actor=actor, changed=_told(found))
        return found

    def _swap(self, settings: Settings, policy: EntrancePolicy, limits: LimitTable) -> None:
        state = self._app.state
        former = state.resources.settings
        state.resources = replace(state.resources, settings=settings)
        state.policy, state.limits = policy, limits
        health: Health = state.health
        health.adopt(settings)
        if settings.log_level != former.log_level:
            set_level(settings.log_level)

    def _require_rest(self) -> None:
        if self._is_trading(self._app.state.own):
            remedy = "stop trading (engage the kill switch and let orders end), then ask again"
            raise ReloadRefused("the service is trading", remedy)

    def _fresh(self) -> Settings:
        try:
            fresh = self._read()
        except ConfigError as error:
            raise ReloadRefused(error.what, error.remedy) from error
        if wrong := production_faults(fresh):
            raise ReloadRefused("; ".join(wrong), "see `tradewright config check`")
        return fresh


def _told(found: list[Change]) -> Body:
    return {one.name: {"before": _exact(one.before), "after": _exact(one.after)} for one in found}


def _exact(value: Shown) -> Shown:
    # What is chained is hashed, and a fraction has more than one way to be written.
    return str(value) if isinstance(value, float) else value


router = APIRouter(route_class=GuardedRoute, tags=["service"])


@router.post(RELOAD_PATH, dependencies=[needs(Permission.RELOAD_SETTINGS)])
async def reload(request: Request, principal: CurrentPrincipal) -> ReloadResponse:
    """Read the settings anew and say which changed; 409 leaves those in force."""
    again: Reload = request.app.state.reload
    return await again(principal.subject)

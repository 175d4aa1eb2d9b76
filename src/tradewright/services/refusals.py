"""What is told of refusals at the doors: counted always, written into the audit log up to a cap.

A flood of refusals must not become a flood of writes; the entry after a flood says how many were
left out. The nonces of the few requests that pass without the shared store are remembered here.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from tradewright.core.errors import LimitReached, NotAuthenticated, NotPermitted, SafetyError
from tradewright.core.records import Note
from tradewright.ops import metrics
from tradewright.services.proxies import client_of

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from tradewright.core.access import Permission
    from tradewright.core.access.quotas import Nonce
    from tradewright.core.errors import AccessError

KIND: Final = "access_refused"
NOTES_PER_MINUTE: Final = 60
REMEMBERED: Final = 10_000
_LOG: Final = logging.getLogger("tradewright.doors")
_MINUTE: Final = timedelta(minutes=1)


class Refusals:
    """Tells of the refusals of one app."""

    def __init__(self) -> None:
        """Start with nothing told."""
        self._since: datetime | None = None
        self._told = 0
        self._left_out = 0
        self._nonces: OrderedDict[tuple[str, str], datetime] = OrderedDict()

    async def tell(
        self, connection: HTTPConnection, error: AccessError, permission: Permission
    ) -> None:
        """Count a refusal and, within the cap, write it into the audit log."""
        code = _counted(error, permission)
        now: datetime = connection.app.state.resources.clock.now()
        if self._since is None or now - self._since >= _MINUTE:
            self._since, self._told = now, 0
        if self._told >= NOTES_PER_MINUTE:
            self._left_out += 1
            return
        self._told += 1
        left_out, self._left_out = self._left_out, 0
        route = connection.scope.get("route")
        note = Note(
            now,
            error.who if isinstance(error, NotPermitted) else "unknown",
            KIND,
            {
                "code": code,
                "permission": permission.value,
                "method": str(connection.scope.get("method", "")),
                "route": str(getattr(route, "path", "")),
                "address": client_of(connection.scope),
                "left_out": left_out,
            },
        )
        try:
            await connection.app.state.resources.audit.append(note)
        except SafetyError as failure:
            # The request is refused all the same, and that was counted.
            _LOG.error("a refusal could not be audited: %s", failure, extra={"code": code})

    def seen(self, nonce: Nonce, now: datetime) -> bool:
        """Use a nonce up in this process alone; True if it was used here before."""
        while self._nonces and next(iter(self._nonces.values())) <= now:
            self._nonces.popitem(last=False)
        key = (nonce.service, nonce.value)
        used = key in self._nonces
        self._nonces.setdefault(key, now + timedelta(seconds=nonce.ttl_seconds))
        if len(self._nonces) > REMEMBERED:
            self._nonces.popitem(last=False)
        return used


def refusals_of(connection: HTTPConnection) -> Refusals:
    """Return what tells of this app's refusals."""
    state = connection.app.state
    found = getattr(state, "refusals", None)
    if not isinstance(found, Refusals):
        found = state.refusals = Refusals()
    return found


def _counted(error: AccessError, permission: Permission) -> str:
    if isinstance(error, NotAuthenticated):
        metrics.authentication_failures.labels(code=error.code).inc()
        return error.code
    if isinstance(error, NotPermitted):
        metrics.permission_failures.labels(permission=permission.value).inc()
        return error.code
    # How often a quota was spent is counted where it was.
    return "rate_limited" if isinstance(error, LimitReached) else "refused"

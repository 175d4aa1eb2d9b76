"""How much a caller may ask: quotas by principal, strategy and service, shared by all processes.

A route says `dependencies=[limited(Limit.ORDERS)]` beside its `needs`. Without the store that
counts, what adds risk is refused, and cancels and flattening pass: to get out is always allowed.
"""

from __future__ import annotations

import logging
import math
import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from fastapi import Depends
from limits import parse
from starlette.requests import HTTPConnection, Request

from tradewright.core.access import Principal, PrincipalKind
from tradewright.core.access.quotas import Nonce, Passage, Quota, QuotaState
from tradewright.core.errors import InvalidInput, LimiterUnavailable, LimitReached, SafetyError
from tradewright.ops import metrics
from tradewright.services.proxies import Network, client_of, is_within, networks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tradewright.bootstrap import Settings
    from tradewright.ports import Turnstile

_LOG: Final = logging.getLogger("tradewright.limits")
_STRATEGY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
_STATE: Final = "quotas"


class Limit(StrEnum):
    """What is limited; the value is the name that problems, metrics and logs carry."""

    ORDERS = "orders"
    SIGNALS = "signals"
    CANCELS = "cancels"
    FLATTEN = "flatten"
    LOGINS = "logins"


REDUCING: Final = frozenset({Limit.CANCELS, Limit.FLATTEN})
"""What only takes risk away; it passes when nothing can be counted."""


@dataclass(frozen=True, slots=True)
class LimitTable:
    """The limits as set: quotas without their last part of the key, by what they limit."""

    rates: Mapping[Limit, Mapping[str, tuple[int, int]]]
    enforced: bool
    trusted: tuple[Network, ...]

    @classmethod
    def of(cls, settings: Settings) -> LimitTable:
        """Read the limits of the settings."""
        texts = {
            Limit.ORDERS: {
                "principal": settings.rate_limit_orders_per_principal,
                "strategy": settings.rate_limit_orders_per_strategy,
                "service": settings.rate_limit_orders_per_service,
            },
            Limit.SIGNALS: {"principal": settings.rate_limit_signals},
            Limit.CANCELS: {"principal": settings.rate_limit_cancels},
            Limit.FLATTEN: {"principal": settings.rate_limit_flatten},
            Limit.LOGINS: {"address": settings.rate_limit_logins},
        }
        return cls(
            {limit: {by: _rate(text) for by, text in of.items()} for limit, of in texts.items()},
            settings.rate_limit_mode == "enforce",
            networks(settings.rate_limit_trusted_ips),
        )

    def quotas(self, limit: Limit, named: Mapping[str, str]) -> tuple[Quota, ...]:
        """Return the quotas of a limit for what is `named`: principal, strategy, service, address.

        A limit by principal that has none for services counts a service like a user.
        """
        return tuple(
            Quota(f"{limit}:{by}:{named[by]}", *rate)
            for by, rate in self.rates[limit].items()
            if by in named
        )


@dataclass(frozen=True, slots=True)
class Limited:
    """The mark of a route that is limited, and what counts when no `needs` did."""

    limit: Limit

    async def __call__(self, connection: HTTPConnection) -> None:
        """Count a request that nobody counted yet."""
        if _STATE not in connection.scope.get("state", {}):
            await count(connection, self.limit, None)


def limited(limit: Limit) -> Any:  # noqa: ANN401 - what FastAPI takes as a dependency
    """Limit how often a route may be used; put it into `dependencies`, beside `needs`."""
    return Depends(Limited(limit))


def limit_of(dependencies: Sequence[Any]) -> Limit | None:
    """Return the limit among a route's dependencies; None if it has none."""
    marks = [d.dependency for d in dependencies if isinstance(d.dependency, Limited)]
    return marks[0].limit if marks else None


async def count(
    connection: HTTPConnection,
    limit: Limit,
    principal: Principal | None,
    nonce: Nonce | None = None,
) -> Passage:
    """Use up a nonce and one of each quota, in one exchange.

    Raises:
        LimitReached: A quota has nothing left, and limits are enforced.
        LimiterUnavailable: Nothing can be counted, and the request may add risk.
        SafetyError: Nothing can be counted, so whether the nonce was used is not known either.
    """
    resources = connection.app.state.resources
    table = table_of(connection.app.state)
    turnstile: Turnstile = resources.limiter
    now: datetime = resources.clock.now()
    if is_within(client_of(connection.scope), table.trusted):
        metrics.rate_limit_bypassed.labels(limit=limit.value).inc()
        quotas: tuple[Quota, ...] = ()
    else:
        quotas = table.quotas(limit, await _names(connection, limit, principal))
    try:
        passage = await turnstile.take(quotas, now, nonce)
    except SafetyError as error:
        outcome = "passed" if limit in REDUCING else "refused"
        metrics.limiter_unavailable.labels(limit=limit.value, outcome=outcome).inc()
        _LOG.error("the limiter cannot be asked: %s", error, extra={"limit": limit.value})
        if limit not in REDUCING:
            raise LimiterUnavailable(f"{limit}: {error}") from error
        passage = Passage(replayed=False)
    connection.scope.setdefault("state", {})[_STATE] = passage.quotas
    if passage.spent:
        _over(limit, passage.spent, enforced=table.enforced)
    return passage


def table_of(state: Any) -> LimitTable:  # noqa: ANN401 - an app's own
    """Return the limits that an app is set to, by its state."""
    table = getattr(state, "limits", None)
    if not isinstance(table, LimitTable):
        table = state.limits = LimitTable.of(state.resources.settings)
    return table


def rate_headers(state: Mapping[str, Any]) -> list[tuple[bytes, bytes]]:
    """Return the RateLimit headers of a request's state: those of the quota that is nearest."""
    quotas: tuple[QuotaState, ...] = state.get(_STATE, ())
    if not quotas:
        return []
    nearest = min(quotas, key=_nearness)
    quota = nearest.quota
    return [
        (b"ratelimit-limit", b"%d" % quota.limit),
        (b"ratelimit-remaining", b"%d" % nearest.remaining),
        (b"ratelimit-reset", b"%d" % max(1, math.ceil(nearest.reset_seconds))),
        (b"ratelimit-policy", b"%d;w=%d" % (quota.limit, quota.window_seconds)),
    ]


def _nearness(state: QuotaState) -> tuple[bool, float]:
    return not state.spent, state.remaining / state.quota.limit


def _rate(text: str) -> tuple[int, int]:
    rate = parse(text)
    return rate.amount, rate.get_expiry()


def _over(limit: Limit, spent: Sequence[QuotaState], *, enforced: bool) -> None:
    worst = max(spent, key=lambda state: state.reset_seconds)
    mode = "enforce" if enforced else "log_only"
    metrics.rate_limited.labels(limit=limit.value, mode=mode).inc()
    _LOG.warning(
        "over the limit of %s", worst.quota.key, extra={"limit": limit.value, "mode": mode}
    )
    if enforced:
        quota = worst.quota
        raise LimitReached(limit.value, quota.limit, quota.window_seconds, worst.reset_seconds)


async def _names(
    connection: HTTPConnection, limit: Limit, principal: Principal | None
) -> dict[str, str]:
    if principal is None or limit is Limit.LOGINS:
        # A password may be guessed from within a login too.
        return {"address": client_of(connection.scope) or "unknown"}
    named: dict[str, str] = {}
    own = principal.kind is PrincipalKind.SERVICE
    if own:
        named["service"] = principal.id
    # A service that orders in its own name has the limit of services, which is the wider one.
    if not (own and principal.on_behalf_of is None and limit is Limit.ORDERS):
        kind = "user" if principal.on_behalf_of else principal.kind.value
        named["principal"] = f"{kind}:{principal.subject}"
    if limit is Limit.ORDERS:
        strategy = await strategy_of(connection)
        if _STRATEGY.fullmatch(strategy):
            named["strategy"] = strategy
    return named


async def strategy_of(connection: HTTPConnection) -> str:
    """Return the strategy that a request names in its path, query or body; empty if none.

    Raises:
        InvalidInput: It names several, so what one part of us lets pass another might not mean.
    """
    named = [connection.path_params.get("strategy_id")]
    if connection.scope["query_string"]:
        named += connection.query_params.getlist("strategy_id")
    if isinstance(connection, Request):
        try:
            body = await connection.json()
        except ValueError:
            body = None
        named.append(body.get("strategy_id") if isinstance(body, dict) else None)
    found = {one for one in named if isinstance(one, str) and one}
    if len(found) > 1:
        rule = "is not the same in path, query and body"
        raise InvalidInput("strategy_id", "(several)", rule, "name one strategy, once")
    return found.pop() if found else ""

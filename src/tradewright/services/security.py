"""The doors: who makes a request, and whether it may; every route says which, or does not start.

`needs(Permission.X)` or `public(reason)` in a route's `dependencies` marks it. Routers made with
`GuardedRoute` open the door before they read the body, so a stranger's malformed body is told
nothing but that it is a stranger's; with another class of route the door still is in the way.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Depends
from fastapi.routing import APIRoute
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from tradewright.core.access import Permission, Principal, PrincipalKind
from tradewright.core.errors import AccessError, InvalidInput, NotAuthenticated, NotPermitted
from tradewright.ops import metrics
from tradewright.services.credentials import Recognised, recognise
from tradewright.services.limits import (
    REDUCING,
    Limit,
    Limited,
    count,
    limit_of,
    rate_headers,
    strategy_of,
)
from tradewright.services.refusals import refusals_of

_PRINCIPAL: Final = "principal"
_RECOGNISED: Final = {kind: metrics.authentications.labels(kind.value) for kind in PrincipalKind}


@dataclass(frozen=True, slots=True)
class Door:
    """The mark of a route: the permission that it needs, or the reason why it needs none.

    `exempt` says of a connection that it needs none all the same.
    """

    permission: Permission | None
    reason: str = ""
    exempt: Callable[[HTTPConnection], bool] | None = None

    async def __call__(self, connection: HTTPConnection) -> Principal | None:
        """Let a request in, or refuse it; a request that is in already is not asked again.

        Raises:
            NotAuthenticated: Who asks is not known.
            NotPermitted: Who asks may not.
            LimitReached: Who asks did so too often.
            SafetyError: Any of this cannot be known.
        """
        state: dict[str, Any] = connection.scope.setdefault("state", {})
        if _PRINCIPAL not in state:
            state[_PRINCIPAL] = await self._opened(connection)
        found: Principal | None = state[_PRINCIPAL]
        return found

    async def _opened(self, connection: HTTPConnection) -> Principal | None:
        if self.permission is None or (self.exempt and self.exempt(connection)):
            return None
        try:
            recognised = await recognise(connection)
            if not recognised.principal.may(self.permission):
                raise NotPermitted(recognised.principal.subject, self.permission)
            await _its_own(connection, recognised.principal)
            await _counted(connection, recognised)
        except AccessError as error:
            await refusals_of(connection).tell(connection, error, self.permission)
            raise
        _RECOGNISED[recognised.principal.kind].inc()
        return recognised.principal


_MARKS: Final = (Door, Limited)
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_HALF: Final = re.compile(rb"\\u[dD][89a-fA-F]")


def needs(permission: Permission, *, exempt: Callable[[HTTPConnection], bool] | None = None) -> Any:  # noqa: ANN401 - what FastAPI takes as a dependency
    """Mark a route as one that needs a permission, save for connections that are `exempt`."""
    return Depends(Door(permission, exempt=exempt))


def public(reason: str) -> Any:  # noqa: ANN401 - what FastAPI takes as a dependency
    """Mark a route as open to everybody, and say why."""
    return Depends(Door(None, reason))


def doors_of(dependencies: Sequence[Any]) -> list[Door]:
    """Return the marks among a route's dependencies; a fit route has exactly one."""
    return [d.dependency for d in dependencies if isinstance(d.dependency, Door)]


class GuardedRoute(APIRoute):
    """A route that opens its door before it reads anything, and tells how its quota stands."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what serves a request: the door, then the route."""
        marks = [d.dependency for d in self.dependencies if isinstance(d.dependency, _MARKS)]
        # They are asked here; to be resolved among the parameters too would cost twice.
        own = self.dependant.dependencies
        own[:] = [one for one in own if not isinstance(one.call, _MARKS)]
        inner = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            for mark in marks:
                await mark(request)
            if request.method in _WITH_BODY:
                _refuse_halves(await request.body())
            return await inner(request)

        return guarded

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, with the headers of its quota on the answer, also on a refusal."""
        if limit_of(self.dependencies) is None:
            await super().handle(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                told = rate_headers(scope.get("state", {}))
                message["headers"] = [*message["headers"], *told]
            await send(message)

        await super().handle(scope, receive, sending)


def _refuse_halves(body: bytes) -> None:
    # JSON may spell half of a letter, which no database, hash or log can write down.
    if _HALF.search(body) is None:
        return
    try:
        text = json.dumps(json.loads(body), ensure_ascii=False)
    except (ValueError, RecursionError):
        # The route says what is wrong with it.
        return
    try:
        text.encode()
    except UnicodeEncodeError:
        rule = "holds half of a letter (a lone surrogate)"
        raise InvalidInput("body", "(hidden)", rule, "send whole ones") from None


async def principal_of(connection: HTTPConnection) -> Principal:
    """Return who makes a request.

    Raises:
        NotAuthenticated: The route is public, so nobody was asked.
    """
    found: Principal | None = connection.scope.get("state", {}).get(_PRINCIPAL)
    if found is None:
        raise NotAuthenticated("not_authenticated", "nobody was recognised on this route")
    return found


CurrentPrincipal = Annotated[Principal, Depends(principal_of)]
"""The principal as a parameter of a route."""


def trade_check(principal: Principal, strategy: str) -> None:
    """Refuse a principal that may not trade a strategy.

    Raises:
        NotPermitted: The strategy is not among its own.
    """
    if not principal.may_trade(strategy):
        what = f"trade the strategy {strategy!r}"
        raise NotPermitted(principal.subject, what, "strategy_not_permitted")


async def _its_own(connection: HTTPConnection, principal: Principal) -> None:
    if principal.strategies is None:
        # Most may trade every strategy, and then the body need not be looked at.
        return
    limit = limit_of(getattr(connection.scope.get("route"), "dependencies", ()))
    if limit is Limit.ORDERS and (strategy := await strategy_of(connection)):
        trade_check(principal, strategy)


async def _counted(connection: HTTPConnection, recognised: Recognised) -> None:
    # One exchange uses up the nonce and the quotas; a route without a limit has the nonce alone.
    route = connection.scope.get("route")
    limit: Limit | None = limit_of(getattr(route, "dependencies", ()))
    nonce = recognised.nonce
    resources = connection.app.state.resources
    if limit is not None:
        passage = await count(connection, limit, recognised.principal, nonce)
        replayed = passage.replayed
        if nonce is not None and limit in REDUCING:
            # Where these pass without the store, one process at least remembers its own.
            replayed |= refusals_of(connection).seen(nonce, resources.clock.now())
    else:
        replayed = nonce is not None and await resources.nonces.seen(nonce, resources.clock.now())
    if replayed:
        raise NotAuthenticated("replayed", "the nonce was used before")

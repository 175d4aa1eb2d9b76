"""The account and what it holds: its paths, and the account itself as the vendor writes it.

The pattern-day-trader fields are served only where the account is opened with them: the vendor
dropped them in July 2026.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tradewright.core.money import ZERO
from tradewright.core.session import Span
from tradewright.exchange.account import clock as clocks
from tradewright.exchange.account.activities import activities
from tradewright.exchange.account.assets import asset, assets
from tradewright.exchange.account.day_trades import day_trades
from tradewright.exchange.account.history import history
from tradewright.exchange.account.margin import day_trading_power
from tradewright.exchange.account.positions import position, positions
from tradewright.exchange.exchange import Exchange
from tradewright.exchange.web import answer, body_of, exchange_of, perform
from tradewright.exchange.words import NEW_YORK, identifier, moment, number

if TYPE_CHECKING:
    from tradewright.core.records import JsonValue

_CENTS: Final = 2
_PATTERN: Final = 4
_SESSIONS: Final = 5
_LOOK_BACK: Final = timedelta(days=14)


def account(exchange: Exchange) -> dict[str, JsonValue]:
    """Write the account."""
    held = exchange.account
    now = held.standing
    equity, power = _money(now.equity), _money(held.buying_power())
    body: dict[str, JsonValue] = {
        "id": identifier("account", held.name),
        "account_number": held.name,
        "status": "ACTIVE",
        "currency": "USD",
        "created_at": moment(exchange.market.opened_at),
        "cash": number(now.cash),
        "buying_power": power,
        "regt_buying_power": _money(held.regulation_power()),
        "non_marginable_buying_power": _money(max(now.cash - held.reserved, ZERO)),
        "effective_buying_power": power,
        "options_buying_power": "0",
        "equity": equity,
        "last_equity": _money(held.last_equity),
        "portfolio_value": equity,
        "long_market_value": _money(now.long_value),
        "short_market_value": _money(now.short_value),
        "position_market_value": _money(now.long_value + now.short_value),
        "initial_margin": _money(now.initial),
        "maintenance_margin": _money(now.maintenance),
        "last_maintenance_margin": _money(held.last.maintenance),
        "sma": _money(held.sma),
        "multiplier": number(held.multiplier),
        "accrued_fees": number(held.entries.accrued_fees),
        "pending_transfer_in": "0",
        "pending_transfer_out": "0",
        "pending_reg_taf_fees": "0",
        "intraday_adjustments": "0",
        "balance_asof": f"{held.last_closed.astimezone(NEW_YORK):%Y-%m-%d}",
        **held.permissions.blocks,
        "trade_suspended_by_user": held.permissions.configurations.suspend_trade,
        "shorting_enabled": held.may_short,
    }
    if held.permissions.pdt_fields:
        body |= _day_trading(exchange)
    return body


def _day_trading(exchange: Exchange) -> Mapping[str, JsonValue]:
    held = exchange.account
    power = _money(day_trading_power(held.standing, held.last, held.multiplier))
    began = _money(day_trading_power(held.last, held.last, held.multiplier))
    count = _recent_day_trades(exchange)
    return {
        "pattern_day_trader": count >= _PATTERN,
        "daytrade_count": count,
        "daytrading_buying_power": power,
        "bod_dtbp": began,
    }


def _recent_day_trades(exchange: Exchange) -> int:
    today = exchange.market.now.astimezone(NEW_YORK).date()
    recent = exchange.market.calendar.within(Span(today - _LOOK_BACK, today))[-_SESSIONS:]
    since = recent[0].date if recent else today
    counts = day_trades(exchange.market.brokerage.fills)
    return sum(count for day, count in counts.items() if day >= since)


def _money(value: Decimal) -> str:
    return number(round(value, _CENTS))


async def _account(request: Request) -> Response:
    return answer(account(exchange_of(request)))


async def _configurations(request: Request) -> Response:
    return answer(exchange_of(request).account.permissions.body())


async def _configure(request: Request) -> Response:
    return answer(await perform(request, "configure", await body_of(request)))


async def _activities(request: Request) -> Response:
    kind = request.path_params.get("kind")
    return answer(activities(exchange_of(request), request.query_params, kind))


async def _history(request: Request) -> Response:
    return answer(history(exchange_of(request), request.query_params))


async def _assets(request: Request) -> Response:
    return answer(assets(exchange_of(request), request.query_params))


async def _one_asset(request: Request) -> Response:
    return answer(asset(exchange_of(request), request.path_params["name"]))


async def _positions(request: Request) -> Response:
    return answer(positions(exchange_of(request)))


async def _one_position(request: Request) -> Response:
    return answer(position(exchange_of(request), request.path_params["name"]))


async def _clock(request: Request) -> Response:
    return answer(clocks.clock(exchange_of(request)))


async def _clocks(request: Request) -> Response:
    return answer(clocks.clocks(exchange_of(request), request.query_params))


async def _calendar(request: Request) -> Response:
    return answer(clocks.calendar(exchange_of(request), request.query_params))


async def _calendar_of(request: Request) -> Response:
    market = request.path_params["market"]
    return answer(clocks.calendar_of(exchange_of(request), market, request.query_params))


ROUTES: Final[Sequence[BaseRoute]] = (
    Route("/v2/account", _account),
    Route("/v2/account/configurations", _configurations),
    Route("/v2/account/configurations", _configure, methods=["PATCH"]),
    Route("/v2/account/activities", _activities),
    Route("/v2/account/activities/{kind}", _activities),
    Route("/v2/account/portfolio/history", _history),
    Route("/v2/assets", _assets),
    Route("/v2/assets/{name:path}", _one_asset),
    Route("/v2/positions", _positions),
    Route("/v2/positions/{name:path}", _one_position),
    Route("/v2/clock", _clock),
    Route("/v2/calendar", _calendar),
    Route("/v3/clock", _clocks),
    Route("/v3/calendar/{market}", _calendar_of),
)

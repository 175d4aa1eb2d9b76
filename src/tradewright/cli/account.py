"""`tradewright account`: what the broker says of an account; it reads and sends nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from tradewright.bootstrap import Account, account_place, conduct_of, exchange_place, load_settings
from tradewright.cli.show import show_json, show_summary
from tradewright.core.errors import ConfigError, VenueUnavailable

if TYPE_CHECKING:
    from tradewright.bootstrap import Place, Settings
    from tradewright.core.records import Body, JsonValue

ExchangeUrl = Annotated[
    str | None,
    typer.Option("--url", help="A rehearsal exchange; without it the account of the settings."),
]
Key = Annotated[str, typer.Option("--key", help="Key id, as the exchange was given it.")]
Secret = Annotated[str, typer.Option("--secret", help="Its secret.")]
_DECIMALS = 3


def account(
    *,
    url: ExchangeUrl = None,
    key: Key = "rehearsal",
    secret: Secret = "rehearsal",  # noqa: S107 - the one that serve has when none is given
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON alone.")] = False,
) -> None:
    """Show what the broker says: account, positions, open orders, clock and requests left."""
    settings = load_settings()
    place = place_of(settings, url, key, secret)
    body = asyncio.run(said_of(place, settings))
    if as_json:
        show_json(body)
    else:
        show_summary(_flat(body), f"Account at {place.url}")


def place_of(settings: Settings, url: str | None, key: str, secret: str) -> Place:
    """Return the place of a rehearsal exchange, if one is named, else that of the settings."""
    return account_place(settings) if url is None else exchange_place(url, key, secret)


async def said_of(place: Place, settings: Settings) -> Body:
    """Ask the broker for all of it.

    Raises:
        ConfigError: It does not answer, refuses the keys, or they open another account.
    """
    opened = Account(place, conduct_of(settings))
    try:
        return await _said(opened)
    except VenueUnavailable as lost:
        raise ConfigError(
            f"{place.url} does not answer as a broker: {lost.what}",
            "check ALPACA_BASE_URL or --url, and the way there",
        ) from lost
    finally:
        await opened.close()


async def _said(opened: Account) -> Body:
    broker = opened.broker
    found = await broker.account()
    standing = await broker.standing()
    clock = await broker.reference.clock()
    orders: list[JsonValue] = [
        {
            "client_order_id": order.id,
            "id": order.venue_id,
            "status": order.raw_status,
            "filled": format(order.filled, "f"),
        }
        for order in await broker.open_orders()
    ]
    return {
        "url": opened.place.url,
        "account": found.number,
        "blocked": standing.blocked,
        "cash": format(found.cash, "f"),
        "equity": format(found.equity, "f"),
        "buying_power": format(found.buying_power, "f"),
        "positions": {name: format(held, "f") for name, held in sorted(found.positions.items())},
        "open_orders": orders,
        "clock": {
            "at": clock.at.isoformat(),
            "is_open": clock.is_open,
            "next_open": clock.next_open.isoformat(),
            "next_close": clock.next_close.isoformat(),
            "skew_seconds": round(clock.skew_seconds, _DECIMALS),
        },
        "requests_left": opened.requests_left(),
    }


def _flat(body: Body) -> Body:
    shown = {name: value for name, value in body.items() if name != "open_orders"}
    orders = body["open_orders"]
    for order in orders if isinstance(orders, list) else ():
        if isinstance(order, dict):
            shown[f"order {order['client_order_id']}"] = (
                f"{order['status']}, {order['filled']} filled"
            )
    return shown

"""`tradewright doctor`: is everything here that trading needs, and how to mend what is not."""

from __future__ import annotations

import asyncio
import platform
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tradewright.bootstrap import (
    Databases,
    Settings,
    account_place,
    clock_skew,
    databases,
    load_settings,
    open_stores,
)
from tradewright.cli.account import said_of
from tradewright.cli.show import show_json
from tradewright.core.errors import TradewrightError
from tradewright.data.calendars import market_calendar

if TYPE_CHECKING:
    from tradewright.core.records import JsonValue

LEAST_FREE_BYTES: Final = 1_000_000_000
MOST_SKEW_SECONDS: Final = 1.0
_PYTHON: Final = (3, 11)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: whether it is fine, what was found, and how to mend it."""

    what: str
    fine: bool
    found: str
    remedy: str = ""


def doctor(
    *, as_json: Annotated[bool, typer.Option("--json", help="Print JSON alone.")] = False
) -> None:
    """Look at Python, settings, databases, clock, calendar, disk and account; say what to mend."""
    try:
        settings = load_settings()
    except TradewrightError as error:
        found = [_python(), Finding("settings", fine=False, found=str(error), remedy="as it says")]
    else:
        found = findings(settings)
    show_findings(found, as_json=as_json)
    raise typer.Exit(0 if all(one.fine for one in found) else 1)


def findings(settings: Settings) -> list[Finding]:
    """Look at everything that a run needs."""
    state = settings.state_dir.resolve()
    return [
        _python(),
        Finding("settings", fine=True, found=f"{settings.environment}, state in {state}"),
        _disk(state),
        _calendar(),
        *_databases(settings),
        *_account(settings),
    ]


def show_findings(found: list[Finding], *, as_json: bool, title: str = "Doctor") -> None:
    """Print what was looked at, under a title."""
    if as_json:
        lines: list[JsonValue] = [
            {"what": one.what, "fine": one.fine, "found": one.found, "remedy": one.remedy}
            for one in found
        ]
        show_json({"fine": all(one.fine for one in found), "findings": lines})
        return
    table = Table(title=title, title_justify="left")
    for name in ("", "what", "found", "how to mend"):
        table.add_column(name, overflow="fold")
    for one in found:
        mark = "[green]✓[/]" if one.fine else "[bold red]✗[/]"
        table.add_row(mark, one.what, escape(one.found), escape(one.remedy))
    Console().print(table)


def _python() -> Finding:
    version = platform.python_version()
    fine = sys.version_info[:2] >= _PYTHON
    return Finding("Python", fine, version, "" if fine else "install Python 3.11 or newer")


def _disk(state: Path) -> Finding:
    place = next(folder for folder in (state, *state.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    fine = free >= LEAST_FREE_BYTES
    remedy = (
        "" if fine else f"free some, or set TRADEWRIGHT_STATE_DIR to a larger disk than {place}"
    )
    return Finding("disk", fine, f"{free / 1e9:.1f} GB free at {place}", remedy)


def _calendar() -> Finding:
    calendar = market_calendar("XNYS")
    last = calendar.sessions[-1].date
    return Finding("calendar", fine=True, found=f"{calendar.name} sessions known until {last}")


def _databases(settings: Settings) -> list[Finding]:
    try:
        with databases(settings) as found:
            skew = asyncio.run(_opened(found, settings))
            kind = "embedded" if found.embedded else "as set"
    except TradewrightError as error:
        return [Finding("databases", fine=False, found=str(error), remedy="as it says")]
    fine = abs(skew) <= MOST_SKEW_SECONDS
    remedy = "" if fine else "synchronise this machine's clock (NTP) with the database's"
    return [
        Finding("databases", fine=True, found=f"PostgreSQL and Redis answer ({kind})"),
        Finding("clock", fine, f"{skew:+.3f} s against the database's", remedy),
    ]


def _account(settings: Settings) -> list[Finding]:
    if settings.alpaca_api_key_id is None:
        return []
    place = account_place(settings)
    try:
        said = asyncio.run(said_of(place, settings))
    except TradewrightError as error:
        return [Finding("account", fine=False, found=str(error), remedy="as it says")]
    clock, blocked = said["clock"], said["blocked"]
    skew = float(str(clock["skew_seconds"])) if isinstance(clock, dict) else 0.0
    found = f"{place.url} answers for account {said['account']}"
    if blocked:
        remedy = "ask the broker why; nothing but reductions is sent until it ends"
        return [Finding("account", fine=False, found=f"{found}: {blocked}", remedy=remedy)]
    if abs(skew) > settings.alpaca_max_skew_seconds and not settings.is_rehearsal:
        remedy = "synchronise this machine's clock (NTP), or raise ALPACA_MAX_SKEW_SECONDS"
        told = f"{found}; our clock is {skew:+.3f} s ahead of its"
        return [Finding("account", fine=False, found=told, remedy=remedy)]
    return [Finding("account", fine=True, found=found)]


async def _opened(found: Databases, settings: Settings) -> float:
    async with open_stores(found, settings, own="doctor") as stores:
        await stores.journal.since(0)
        await stores.switches.get("kill_switch:state")
    return await clock_skew(found)

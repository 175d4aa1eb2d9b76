"""A symbol changes on its date, as LEAN's map files say it: every answer and stream follows."""

from __future__ import annotations

import asyncio
import contextlib
import json
import zipfile
from collections.abc import AsyncIterator, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from tests.architecture.tree import ROOT
from tests.services.stage import Stage, heard
from tests.unit.exchange.builders import FREE, served
from tradewright.adapters.lean import LeanStore
from tradewright.core.ids import InstrumentId
from tradewright.core.session import Span, Timeframe
from tradewright.data.calendars import market_calendar
from tradewright.data.history import MarketData
from tradewright.exchange.exchange import Exchange
from tradewright.exchange.market.market import ReplayMarket

LEAN: Final = ROOT.parent / "shared" / "data" / "lean"
TUESDAY, FRIDAY = date(2022, 6, 7), date(2022, 6, 10)
BARS: Final = """\
20220606 00:00,1900000,1950000,1880000,1940000,500000
20220607 00:00,1910000,1960000,1890000,1950000,500000
20220608 00:00,1940000,1990000,1930000,1960000,600000
"""
LATER: Final = """\
20220609 00:00,1940000,1980000,1830000,1840000,700000
20220610 00:00,1830000,1850000,1750000,1755000,800000
"""
OVERNIGHT: Final = "2022-06-09T03:00:00Z"
MORNING: Final = "2022-06-09T12:00:00Z"
CLOSED: Final = "2022-06-10T20:00:00Z"
ALL: Final = {"timeframe": "1Day", "start": "2022-06-06", "end": "2022-06-10"}


def written(folder: Path) -> Path:
    """A folder of LEAN's format: what is META now was FB until 8 June 2022."""
    root = folder / "equity" / "usa"
    for name in ("daily", "map_files"):
        (root / name).mkdir(parents=True)
    for ticker, text in (("fb", BARS), ("meta", LATER)):
        with zipfile.ZipFile(root / "daily" / f"{ticker}.zip", "w") as archive:
            archive.writestr(f"{ticker}.csv", text)
    lines = ("20120518,fb,Q", "20220608,fb,Q", "20501231,meta,Q")
    (root / "map_files" / "meta.csv").write_text("\n".join(lines))
    return folder


def lean_market(folder: Path, ids: Sequence[str], span: Span) -> MarketData:
    store = LeanStore(folder)
    names = [InstrumentId(name) for name in ids]
    frame = store.read(names, Timeframe.DAY, Span(span.start.replace(day=1), span.end))
    known = {each.id: each for each in store.instruments() if each.id in names}
    calendar = market_calendar("XNYS", Span(span.start.replace(day=1), span.end.replace(day=28)))
    return MarketData(frame, known, tuple(store.actions(names)), calendar, "lean")


@contextlib.asynccontextmanager
async def a_stage_over(data: MarketData, span: Span) -> AsyncIterator[Stage]:
    market = ReplayMarket.over(data, span, model=FREE, cash=Decimal(100_000), leverage=Decimal(2))
    with served(Exchange(market, leverage=Decimal(2))) as server:
        stage = Stage(server.url)
        async with stage.client:
            yield stage


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    span = Span(TUESDAY, FRIDAY)
    async with a_stage_over(lean_market(written(tmp_path), ["META"], span), span) as made:
        yield made


async def advance(stage: Stage, to: str) -> None:
    answer = await stage.client.post("/rehearsal/advance", json={"to": to})
    assert answer.status_code == 200, answer.text


async def days(stage: Stage, symbol: str, **query: str) -> list[str]:
    """The days whose bars are found under a symbol, all of whose rows carry that symbol."""
    answer = await stage.get("/v2/stocks/bars", symbols=symbol, **{**ALL, **query})
    assert set(answer["bars"]) <= {symbol}
    return [row["t"][:10] for row in answer["bars"].get(symbol, [])]


async def test_assets_positions_and_orders_take_the_new_symbol(stage: Stage) -> None:
    await advance(stage, "2022-06-07T12:00:00Z")
    before = await stage.get("/v2/assets/FB")
    assert (await stage.client.get("/v2/assets/META")).status_code == 404
    assert (await stage.send(symbol="META")).json()["message"] == 'asset "META" not found'
    await stage.submit(symbol="FB", client_order_id="first")
    limit = {"type": "limit", "limit_price": "150", "time_in_force": "gtc"}
    await stage.submit(symbol="FB", client_order_id="resting", **limit)
    await advance(stage, OVERNIGHT)
    assert await stage.positions() == {"FB": "10"}
    await advance(stage, MORNING)
    after = await stage.get("/v2/assets/META")
    assert (after["id"], after["symbol"]) == (before["id"], "META")
    assert [row["symbol"] for row in await stage.get("/v2/assets")] == ["META"]
    assert await stage.positions() == {"META": "10"}
    resting = (await stage.look_up("resting")).json()
    assert (resting["status"], resting["symbol"]) == ("canceled", "FB")
    assert (await stage.send(symbol="FB")).json()["message"] == 'asset "FB" not found'
    await stage.submit(symbol="META", side="sell")
    await advance(stage, CLOSED)
    assert await stage.positions() == {}
    (row,) = await stage.get("/v2/account/activities/NC")
    assert (row["symbol"], row["description"]) == ("META", "FB is now META")


async def test_history_knows_a_symbol_as_of_a_date(stage: Stage) -> None:
    await advance(stage, "2022-06-08T20:00:00Z")
    assert await days(stage, "FB") == ["2022-06-06", "2022-06-07", "2022-06-08"]
    assert await days(stage, "META") == []
    await advance(stage, CLOSED)
    fb, meta = ["2022-06-06", "2022-06-07", "2022-06-08"], ["2022-06-09", "2022-06-10"]
    assert await days(stage, "META") == await days(stage, "META", asof="2022-06-09") == fb + meta
    assert await days(stage, "FB", asof="2022-06-08") == fb + meta
    assert await days(stage, "FB") == await days(stage, "FB", asof="2022-06-09") == fb
    assert await days(stage, "FB", asof="-") == fb
    assert await days(stage, "META", asof="-") == meta
    assert await days(stage, "META", asof="2022-06-08") == meta
    assert await days(stage, "META", sort="desc", limit="2") == meta[::-1]


async def test_pages_go_on_over_a_change_of_symbol(stage: Stage) -> None:
    await advance(stage, CLOSED)
    found: list[str] = []
    token: str | None = ""
    while token is not None:
        query = {**ALL, "symbols": "META", "limit": "2", **({"page_token": token} if token else {})}
        answer = await stage.get("/v2/stocks/bars", **query)
        found += [row["t"][8:10] for row in answer["bars"]["META"]]
        token = answer["next_page_token"]
    assert found == ["06", "07", "08", "09", "10"]


async def test_a_step_over_the_change_is_streamed_under_both_symbols(stage: Stage) -> None:
    async with stage.data(trades=["FB", "META"], bars=["*"]) as socket:
        await advance(stage, CLOSED)
        rows: list[dict[str, Any]] = []
        while not rows or rows[-1]["t"] < "2022-06-10T19:5":
            rows += await heard(socket)
    named = {(row["t"][:10] >= "2022-06-09", row["S"]) for row in rows if row["T"] in "tb"}
    assert named == {(False, "FB"), (True, "META")}


async def test_only_the_symbol_that_is_listened_to_is_told(stage: Stage) -> None:
    async with stage.data(trades=["FB"]) as socket:
        await advance(stage, CLOSED)
        rows = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                while True:
                    rows += json.loads(await socket.recv())
    assert {row["S"] for row in rows} == {"FB"}
    assert max(row["t"] for row in rows) < "2022-06-09"


async def test_a_change_of_symbol_is_a_corporate_action(stage: Stage) -> None:
    query = {"start": "2022-06-01", "end": "2022-06-30", "types": "name_change"}
    await advance(stage, OVERNIGHT)
    assert (await stage.get("/v1/corporate-actions", **query))["corporate_actions"] == {}
    await advance(stage, MORNING)
    (row,) = (await stage.get("/v1/corporate-actions", **query))["corporate_actions"][
        "name_changes"
    ]
    assert row.pop("id")
    assert row == {
        "old_symbol": "FB",
        "old_cusip": "",
        "new_symbol": "META",
        "new_cusip": "",
        "process_date": "2022-06-09",
    }


@pytest.mark.skipif(not LEAN.is_dir(), reason="allowed: ../shared/data/lean is not on this machine")
async def test_google_gave_its_symbol_to_its_new_shares() -> None:
    span = Span(date(2014, 4, 1), date(2014, 4, 7))
    async with a_stage_over(lean_market(LEAN, ["GOOG", "GOOGL"], span), span) as stage:
        await advance(stage, "2014-04-02T20:00:00Z")
        assert {row["symbol"] for row in await stage.get("/v2/assets")} == {"GOOG", "GOOCV"}
        await stage.submit(symbol="GOOG", qty="1", client_order_id="old")
        await advance(stage, "2014-04-07T20:00:00Z")
        # The order was for the old shares under the symbol that they were about to lose.
        assert (await stage.look_up("old")).json()["status"] == "canceled"
        assert {row["symbol"] for row in await stage.get("/v2/assets")} == {"GOOG", "GOOGL"}
        query = {"timeframe": "1Day", "start": "2014-04-01", "end": "2014-04-07"}
        shown = await stage.get("/v2/stocks/bars", symbols="GOOG,GOOGL", **query)
        closes = {symbol: [row["c"] for row in rows] for symbol, rows in shown["bars"].items()}
        assert closes["GOOGL"] == [1134.89, 1135.1, 571.5, 545.25, 540.63]
        assert closes["GOOG"] == [569.74, 543.14, 538.15]
        alone = await stage.get("/v2/stocks/bars", symbols="GOOG", asof="-", **query)
        assert [row["c"] for row in alone["bars"]["GOOG"]] == [1134.89, 1135.1, *closes["GOOG"]]
        changes = (await stage.get("/v1/corporate-actions", start="2014-04-01", end="2014-04-07"))[
            "corporate_actions"
        ]["name_changes"]
        assert {(row["old_symbol"], row["new_symbol"]) for row in changes} == {
            ("GOOG", "GOOGL"),
            ("GOOCV", "GOOG"),
        }

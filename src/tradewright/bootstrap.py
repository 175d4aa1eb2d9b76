"""The composition root: settings in, wired objects out; the only module that chooses adapters."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tradewright.adapters.alpaca.broker import AlpacaBroker
from tradewright.adapters.alpaca.mapping import Symbols
from tradewright.adapters.alpaca.stream import Access
from tradewright.adapters.csv import CsvStore
from tradewright.adapters.embedded import embedded_services
from tradewright.adapters.lean import LeanStore
from tradewright.adapters.lean.quotes import read_quotes
from tradewright.adapters.parquet import ParquetStore
from tradewright.adapters.postgres import (
    PostgresJournal,
    PostgresOrderStore,
    create_database,
    drop_database,
    drop_idle_databases,
    migrate,
    open_pool,
    server_time,
)
from tradewright.adapters.redis import RedisStateStore
from tradewright.adapters.rehearsal import RehearsalFeed
from tradewright.adapters.rehearsal_process import ExchangeProcess
from tradewright.backtest.replay import Replay
from tradewright.core.clock import ManualClock, SystemClock
from tradewright.core.errors import DataError, MissingData, UnknownName
from tradewright.core.ids import InstrumentId
from tradewright.core.money import Money
from tradewright.core.session import Timeframe
from tradewright.data.calendars import market_calendar
from tradewright.data.history import MarketData
from tradewright.data.sample import SIMULATED, sample_market
from tradewright.engine.run import assemble, rows_of
from tradewright.engine.runner import Patience, Ports, Runner
from tradewright.portfolio.costs import commission
from tradewright.settings import Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
    from decimal import Decimal
    from pathlib import Path

    import httpx

    from tradewright.core.events import Event
    from tradewright.core.frames import BarFrame
    from tradewright.core.ids import OrderId
    from tradewright.core.money import Price, Quantity
    from tradewright.core.session import Span
    from tradewright.data.quotes import QuoteBars
    from tradewright.engine.run import RunSpec
    from tradewright.ports import (
        BarReader,
        BarStore,
        Broker,
        Journal,
        MarketFeed,
        OrderStore,
        StateStore,
    )

FORMATS: Final = ("lean", "csv", "parquet")
REHEARSALS: Final = "rehearsal_"
"""How the names of rehearsals' databases begin."""
SAMPLE_LABEL: Final = "simulated sample market"

__all__ = [
    "FORMATS",
    "Databases",
    "ExchangeProcess",
    "Rehearsal",
    "Settings",
    "Stores",
    "bar_reader",
    "bar_store",
    "clock_skew",
    "databases",
    "load_market",
    "load_settings",
    "open_stores",
    "rehearse",
]


def bar_reader(folder: Path, fmt: str | None = None) -> BarReader:
    """Open a folder of market data; its format is told by what lies in it, unless given.

    Raises:
        MissingData: The folder is not there or holds no known format.
        UnknownName: The format given is not known.
    """
    found = fmt or _format(folder)
    if found == "lean":
        return LeanStore(folder)
    if found == "csv":
        return CsvStore(folder)
    if found == "parquet":
        return ParquetStore(folder)
    raise UnknownName("format", found, FORMATS)


def bar_store(folder: Path) -> BarStore:
    """Open a folder for writing, in the platform's own format."""
    return ParquetStore(folder)


def _format(folder: Path) -> str:
    if not folder.is_dir():
        raise MissingData(str(folder), "is not a folder", "give the folder of the market data")
    if (folder / "equity" / "usa").is_dir():
        return "lean"
    if (folder / "manifest.json").is_file() or (folder / ".decided").exists():
        return "parquet"
    if any((folder / timeframe.value).is_dir() for timeframe in Timeframe):
        return "csv"
    raise MissingData(
        str(folder),
        "holds no market data in a known format",
        "LEAN has equity/usa, parquet has manifest.json, CSV has day/SYMBOL.csv",
    )


def load_market(
    folder: Path | None,
    *,
    symbols: Sequence[str] = (),
    timeframe: Timeframe = Timeframe.DAY,
    span: Span | None = None,
    fmt: str | None = None,
) -> MarketData:
    """Load a market from a folder, or simulate the sample market without one.

    Raises:
        UnknownName: A symbol is not there.
        DataError: What is there cannot be trusted; nothing is returned.
    """
    if folder is None:
        return _sample(symbols, timeframe)
    try:
        return _stored(bar_reader(folder, fmt), str(folder), symbols, timeframe, span)
    except OSError as error:
        where = str(error.filename or folder)
        what = f"cannot be read: {error.strerror or error}"
        raise DataError(where, what, "give a folder of files that may be read") from error


def load_quotes(
    folder: Path | None, instruments: Sequence[InstrumentId], span: Span | None = None
) -> Mapping[InstrumentId, QuoteBars]:
    """Load the quote bars that a folder has of instruments; only LEAN folders have any.

    Raises:
        DataError: What is there cannot be trusted; nothing is returned.
    """
    if folder is None or not isinstance(bar_reader(folder), LeanStore):
        return {}
    return read_quotes(folder, instruments, span)


def _stored(
    reader: BarReader,
    label: str,
    symbols: Sequence[str],
    timeframe: Timeframe,
    span: Span | None,
) -> MarketData:
    stored = {instrument.symbol: instrument for instrument in reader.instruments()}
    wanted = list(dict.fromkeys(symbol.upper() for symbol in symbols))
    for symbol in wanted:
        if symbol not in stored:
            raise UnknownName("symbol", symbol, list(stored))
    ids = [stored[symbol].id for symbol in wanted or sorted(stored)]
    frame = reader.read(ids, timeframe, span) if wanted else _read_all(reader, ids, timeframe, span)
    by_id = {instrument.id: instrument for instrument in stored.values()}
    chosen = {name: by_id[name] for name in frame.instruments}
    return MarketData(
        frame=frame,
        instruments=chosen,
        actions=tuple(reader.actions(list(chosen))),
        calendar=market_calendar("XNYS"),
        label=label,
        simulated=all(instrument.venue == SIMULATED for instrument in chosen.values()),
    )


def _read_all(
    reader: BarReader, ids: Sequence[InstrumentId], timeframe: Timeframe, span: Span | None
) -> BarFrame:
    try:
        return reader.read(ids, timeframe, span)
    except MissingData:
        # Not every instrument need have bars of this length; those that have none are left out.
        having = [name for name in ids if _has_bars(reader, name, timeframe, span)]
        if not having:
            raise
        return reader.read(having, timeframe, span)


def _has_bars(
    reader: BarReader, name: InstrumentId, timeframe: Timeframe, span: Span | None
) -> bool:
    try:
        reader.read([name], timeframe, span)
    except MissingData:
        return False
    return True


def _sample(symbols: Sequence[str], timeframe: Timeframe) -> MarketData:
    sample = sample_market(timeframe=timeframe)
    known = {instrument.symbol: instrument for instrument in sample.instruments}
    wanted = [symbol.upper() for symbol in symbols] or list(known)
    for symbol in wanted:
        if symbol not in known:
            raise UnknownName("symbol", symbol, list(known))
    chosen = {known[symbol].id: known[symbol] for symbol in wanted}
    return MarketData(
        frame=sample.frame.columns(list(chosen)),
        instruments=chosen,
        actions=tuple(action for action in sample.actions if action.instrument in chosen),
        calendar=sample.calendar,
        label=SAMPLE_LABEL,
        simulated=True,
    )


@dataclass(frozen=True, slots=True)
class Databases:
    """Where the databases answer, and whether we run them ourselves."""

    database_url: str
    redis_url: str
    embedded: bool


@contextmanager
def databases(settings: Settings) -> Iterator[Databases]:
    """Yield the databases of the settings, running the embedded ones for those not given.

    Raises:
        ConfigError: One that is given does not answer, before any is started; or one does not
            start.
    """
    database = settings.database_url.get_secret_value() if settings.database_url else None
    redis = settings.redis_url.get_secret_value() if settings.redis_url else None
    asyncio.run(_hear(database, redis))
    if database is not None and redis is not None:
        yield Databases(database, redis, embedded=False)
        return
    with embedded_services(settings.state_dir) as running:
        yield Databases(database or running.database_url, redis or running.redis_url, embedded=True)


async def _hear(database_url: str | None, redis_url: str | None) -> None:
    if database_url is not None:
        await server_time(database_url)
    if redis_url is not None:
        await (await RedisStateStore.connect(redis_url)).close()


async def clock_skew(found: Databases) -> float:
    """Return how many seconds this machine's clock is ahead of the database's."""
    theirs = await server_time(found.database_url)
    return (SystemClock().now() - theirs).total_seconds()


@dataclass(frozen=True, slots=True)
class Stores:
    """The durable side of a runner."""

    journal: Journal
    orders: OrderStore
    switches: StateStore


@asynccontextmanager
async def open_stores(
    found: Databases, settings: Settings, *, own: str | None = None
) -> AsyncIterator[Stores]:
    """Open journal, orders and switches.

    With `own` they are a database and switches of that name, made for this and dropped after,
    so that a rehearsal neither reads nor writes what guards real trading.

    Raises:
        ConfigError: A database does not answer or cannot be migrated.
    """
    if own and found.embedded:
        # What a killed rehearsal left behind; the embedded server is nobody else's.
        drop_idle_databases(found.database_url, REHEARSALS)
    url = create_database(found.database_url, own) if own else found.database_url
    try:
        migrate(url)
        pool = await open_pool(
            url,
            min_size=settings.database_pool_min,
            max_size=settings.database_pool_max,
            checkout_seconds=settings.database_timeout_seconds,
        )
        try:
            scope = f"{own}:" if own else ""
            switches = await RedisStateStore.connect(found.redis_url, scope=scope)
            try:
                yield Stores(PostgresJournal(pool), PostgresOrderStore(pool), switches)
            finally:
                await switches.close()
        finally:
            await pool.close()
    finally:
        if own:
            drop_database(found.database_url, own)


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A runner wired to a rehearsal exchange, and the feed that drives both."""

    runner: Runner
    feed: MarketFeed


class _Timed:
    # In a rehearsal the market's clock is the only clock: it moves with the feed.
    def __init__(
        self,
        feed: MarketFeed,
        clock: ManualClock,
        total: int,
        progress: Callable[[int, int], None],
    ) -> None:
        self._feed = feed
        self._clock = clock
        self._total = total
        self._progress = progress

    async def events(self) -> AsyncIterator[Event]:
        done = 0
        async for event in self._feed.events():
            if event.at > self._clock.now():
                self._clock.set(event.at)
            done += 1
            self._progress(done, self._total)
            yield event


@asynccontextmanager
async def rehearse(
    spec: RunSpec,
    market: MarketData,
    stores: Stores,
    access: tuple[str, str, str],
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    patience: Patience | None = None,
    wrap: Callable[[Broker], Broker] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> AsyncIterator[Rehearsal]:
    """Start a runner against the exchange at `access` (base URL, key, secret).

    `transport` and `wrap` stand between us and the exchange, for drills; `progress` is told
    events done and events in all.

    Raises:
        LedgerError: The exchange's book is not the one that the journal tells of.
        VenueUnavailable: The exchange does not answer.
    """
    base_url, key, secret = access
    rows = rows_of(spec, market)
    frame = market.frame
    clock = ManualClock(frame.known(rows.first - 1))
    model = commission(spec.commission)

    def fee(_order: OrderId, before: Decimal, quantity: Quantity, price: Price) -> Money:
        return Money(model.fee(before, quantity, price))

    broker: Broker = AlpacaBroker(
        Access(base_url, key, secret),
        Symbols.of(list(market.instruments.values())),
        fee=fee,
        clock=clock,
        transport=transport,
    )
    if wrap is not None:
        broker = wrap(broker)
    ports = Ports(broker, stores.journal, stores.orders, stores.switches, clock)
    runner = Runner(assemble(spec, market, rows), ports, patience=patience)
    replay = list(Replay(frame, market.actions, first=rows.first, stop=rows.last + 1))
    told = progress or (lambda _done, _total: None)
    feed = _Timed(RehearsalFeed(replay, base_url, key, secret), clock, len(replay), told)
    try:
        yield Rehearsal(runner, feed)
    finally:
        await runner.stop()

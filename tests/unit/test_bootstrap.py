from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from tests.frames import frame_of
from tradewright.adapters.csv import CsvStore
from tradewright.adapters.embedded import EmbeddedServices
from tradewright.adapters.lean import LeanStore
from tradewright.adapters.parquet import ParquetStore
from tradewright.bootstrap import (
    FORMATS,
    SAMPLE_LABEL,
    Databases,
    bar_reader,
    bar_store,
    clock_skew,
    databases,
    load_market,
    load_settings,
    open_stores,
)
from tradewright.core.errors import ConfigError, DataError, MissingData, UnknownName
from tradewright.core.ids import InstrumentId
from tradewright.core.instrument import Instrument
from tradewright.core.session import Timeframe

NAMES = ("AAA", "BBB", "CCC")
DESCRIBED = [Instrument(InstrumentId(name), name) for name in NAMES]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Daily bars of three symbols, and minutes of one."""
    store = CsvStore(tmp_path / "data")
    closes = {name: [10.0, 11.0, 12.0] for name in NAMES}
    store.write(frame_of(closes), DESCRIBED, [])
    minutes = frame_of({"BBB": [10.0] * 390}, timeframe=Timeframe.MINUTE)
    store.write(minutes, DESCRIBED[1:2], [])
    return tmp_path / "data"


def test_format_is_told_by_what_lies_in_the_folder(folder: Path, tmp_path: Path) -> None:
    assert isinstance(bar_reader(folder), CsvStore)
    (tmp_path / "lean" / "equity" / "usa").mkdir(parents=True)
    assert isinstance(bar_reader(tmp_path / "lean"), LeanStore)
    written = bar_store(tmp_path / "ours")
    written.write(frame_of({"AAA": [1.0, 2.0]}), DESCRIBED[:1], [])
    assert isinstance(bar_reader(tmp_path / "ours"), ParquetStore)
    assert load_market(tmp_path / "ours").frame.close[:, 0].tolist() == [1.0, 2.0]


def test_format_may_be_named(tmp_path: Path) -> None:
    kinds = [type(bar_reader(tmp_path, fmt)) for fmt in FORMATS]
    assert kinds == [LeanStore, CsvStore, ParquetStore]
    with pytest.raises(UnknownName, match="format: 'xml' is not known"):
        bar_reader(tmp_path, "xml")


def test_folder_that_holds_nothing_known_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="holds no market data in a known format"):
        load_market(tmp_path)
    with pytest.raises(MissingData, match="is not a folder"):
        load_market(tmp_path / "nowhere")


def test_symbols_are_taken_in_any_case_and_once(folder: Path) -> None:
    market = load_market(folder, symbols=["bbb", "AAA", "BBB"])
    assert market.frame.instruments == ("BBB", "AAA")
    assert (list(market.instruments), market.label) == (["BBB", "AAA"], str(folder))
    assert not market.simulated
    assert load_market(folder).frame.instruments == NAMES


def test_symbol_that_is_not_there_is_told_with_those_that_are(folder: Path) -> None:
    with pytest.raises(UnknownName, match="symbol: 'ZZZ' is not known; choose one of: AAA, BBB"):
        load_market(folder, symbols=["ZZZ"])
    with pytest.raises(UnknownName, match="choose one of: SIM01"):
        load_market(None, symbols=["AAA"])


def test_instruments_without_bars_of_the_length_are_left_out_unless_named(folder: Path) -> None:
    assert load_market(folder, timeframe=Timeframe.MINUTE).frame.instruments == ("BBB",)
    with pytest.raises(MissingData, match="has no bars of AAA"):
        load_market(folder, symbols=["AAA", "BBB"], timeframe=Timeframe.MINUTE)
    with pytest.raises(MissingData, match="hour"):
        load_market(folder, timeframe=Timeframe.HOUR)


def test_file_that_cannot_be_read_is_named(folder: Path) -> None:
    (folder / "day" / "DDD.csv").mkdir()
    with pytest.raises(DataError, match=r"DDD\.csv: cannot be read: Is a directory; give"):
        load_market(folder)


def test_without_a_folder_the_market_is_simulated_and_says_so() -> None:
    market = load_market(None, symbols=["sim03", "SIM01"])
    assert market.frame.instruments == ("SIM03", "SIM01")
    assert (market.label, market.simulated) == (SAMPLE_LABEL, True)
    assert {action.instrument for action in market.actions} <= {"SIM01", "SIM03"}


def test_given_databases_are_used_and_nothing_is_started(
    servers: EmbeddedServices, tmp_path: Path
) -> None:
    given = {"DATABASE_URL": servers.database_url, "REDIS_URL": servers.redis_url}
    settings = load_settings(given | {"TRADEWRIGHT_STATE_DIR": str(tmp_path / "state")})
    with databases(settings) as found:
        assert found == Databases(servers.database_url, servers.redis_url, embedded=False)
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("name", "url"),
    [("DATABASE_URL", "postgresql://127.0.0.1:1/x"), ("REDIS_URL", "redis://127.0.0.1:1/0")],
)
def test_given_database_that_is_silent_is_told_before_any_is_started(
    tmp_path: Path, name: str, url: str
) -> None:
    settings = load_settings({name: url, "TRADEWRIGHT_STATE_DIR": str(tmp_path / "state")})
    with pytest.raises(ConfigError, match=f"mend {name}"), databases(settings):
        pytest.fail("it was opened")
    assert not (tmp_path / "state").exists()


def names_of(url: str) -> set[str]:
    with psycopg.connect(url) as link:
        return {row[0] for row in link.execute("SELECT datname FROM pg_database")}


async def test_stores_in_a_database_of_their_own_leave_none_behind(
    servers: EmbeddedServices,
) -> None:
    found = Databases(servers.database_url, servers.redis_url, embedded=True)
    settings = load_settings({"DATABASE_POOL_MIN": "1", "DATABASE_POOL_MAX": "2"})
    name = "rehearsal_of_a_test"
    async with open_stores(found, settings, own=name) as stores:
        assert name in names_of(servers.database_url)
        assert await stores.journal.since(0) == ()
    assert name not in names_of(servers.database_url)


async def test_stores_that_cannot_be_opened_leave_no_database_behind(
    servers: EmbeddedServices,
) -> None:
    found = Databases(servers.database_url, "redis://127.0.0.1:1/0", embedded=False)
    settings = load_settings({"DATABASE_POOL_MIN": "1", "DATABASE_POOL_MAX": "2"})
    with pytest.raises(ConfigError, match="mend REDIS_URL"):
        async with open_stores(found, settings, own="rehearsal_without_redis"):
            pytest.fail("it was opened")
    assert "rehearsal_without_redis" not in names_of(servers.database_url)


async def test_clock_of_the_database_is_ours_on_one_machine(servers: EmbeddedServices) -> None:
    found = Databases(servers.database_url, servers.redis_url, embedded=True)
    assert abs(await clock_skew(found)) < 1

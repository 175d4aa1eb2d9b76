"""The flush that is everyone's: one for many, whoever goes away, and for nobody where it fails."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import Final

import pytest

from tradewright.core.errors import ConfigError
from tradewright.exchange.command_log import CommandLog, Entry

AT: Final = datetime(2024, 1, 3, 15, tzinfo=UTC)


def keep(log: CommandLog) -> asyncio.Task[None]:
    log.append(Entry(log.number + 1, AT, 0, "submit", {}))
    return asyncio.create_task(log.kept())


async def test_who_goes_away_does_not_take_the_flush_along(tmp_path: Path) -> None:
    log = CommandLog(tmp_path, {})
    first, second = keep(log), keep(log)
    await asyncio.sleep(0)
    first.cancel()
    third = keep(log)
    await asyncio.wait_for(asyncio.gather(second, third), 10)
    assert first.cancelled()
    log.close()
    assert [entry.number for entry in log.entries()] == [1, 2, 3]


async def test_many_are_kept_by_few_flushes_and_none_is_forgotten(tmp_path: Path) -> None:
    log = CommandLog(tmp_path, {})
    tasks = []
    for number in range(200):
        tasks.append(keep(log))
        if number % 7 == 0:
            await asyncio.sleep(0)
    await asyncio.wait_for(asyncio.gather(*tasks), 10)
    # What is on disk already is waited for no more.
    await asyncio.wait_for(log.kept(), 1)
    log.close()


async def test_a_disk_that_fails_is_told_to_everyone_who_waits(tmp_path: Path) -> None:
    log = CommandLog(tmp_path, {})
    log._file.close()
    # It takes what is written, and cannot be flushed.
    log._file = FileIO("/dev/null", "r+")
    told = await asyncio.gather(keep(log), keep(log), return_exceptions=True)
    assert [type(each) for each in told] == [ConfigError, ConfigError]
    with pytest.raises(ConfigError, match="cannot be written"):
        await log.kept()
    log._file.close()

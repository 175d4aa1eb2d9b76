"""What a process takes of its machine, against its limits."""

from __future__ import annotations

from pathlib import Path

import pytest

from tradewright.ops.health import NotWell
from tradewright.ops.machine import Machine, MachineLimits

ROOMY = MachineLimits(1 << 50, 1 << 51, 1_000_000, 0)
NARROW = MachineLimits(1, 2, 0, 1 << 60)


def test_a_process_is_measured(tmp_path: Path) -> None:
    facts = Machine(tmp_path / "not" / "there" / "yet", ROOMY).facts()
    assert facts.memory_bytes > 1_000_000
    assert facts.open_files > 0
    assert 0 < facts.free_disk_bytes <= facts.total_disk_bytes


async def test_within_its_limits_it_is_well(tmp_path: Path) -> None:
    machine = Machine(tmp_path, ROOMY)
    for check in (machine.memory, machine.files, machine.disk):
        await check()


async def test_beyond_its_limits_it_says_what(tmp_path: Path) -> None:
    machine = Machine(tmp_path, NARROW)
    with pytest.raises(NotWell, match="MB held"):
        await machine.memory()
    with pytest.raises(NotWell, match="open files"):
        await machine.files()
    with pytest.raises(NotWell, match="MB free"):
        await machine.disk()


@pytest.mark.parametrize(("limits", "much"), [(ROOMY, False), (NARROW, True)])
def test_garbage_is_collected_when_much_is_held(
    limits: MachineLimits, much: bool, tmp_path: Path
) -> None:
    assert Machine(tmp_path, limits).relieve() is much

"""Audit entries that wait on disk: what is promised lasts, what is damaged is told of."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tradewright.adapters.audit import AuditSpool
from tradewright.adapters.audit.spool import total_waiting
from tradewright.core.errors import ConfigError, InvalidInput, SafetyError
from tradewright.core.records import Note

AT = datetime(2026, 3, 4, 14, 30, tzinfo=UTC)
ROOMY = 1_000_000


def notes(*numbers: int) -> dict[str, Note]:
    return {f"id-{n}": Note(AT, "user:anna", "login", {"n": n}) for n in numbers}


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[AuditSpool]:
    opened = AuditSpool.open(tmp_path, "gateway", ROOMY)
    yield opened
    opened.close()


def again(spool: AuditSpool, folder: Path) -> AuditSpool:
    """The spool as the next process finds it."""
    spool.close()
    return AuditSpool.open(folder, "gateway", ROOMY)


def test_what_is_appended_is_read_in_order(spool: AuditSpool) -> None:
    spool.append(notes(1, 2))
    spool.append(notes(3))
    page = spool.page(0, 10, None)
    assert dict(page.notes) == notes(1, 2, 3)
    assert page.intact
    assert (page.end, spool.count) == (spool.size, 3)


def test_pages_follow_each_other(spool: AuditSpool) -> None:
    spool.append(notes(*range(5)))
    first = spool.page(0, 2, None)
    second = spool.page(first.end, 2, first.last)
    last = spool.page(second.end, 2, second.last)
    assert [list(page.notes) for page in (first, second, last)] == [
        ["id-0", "id-1"],
        ["id-2", "id-3"],
        ["id-4"],
    ]
    assert all(page.intact for page in (first, second, last))


def test_a_spool_in_use_is_left_alone(spool: AuditSpool, tmp_path: Path) -> None:
    spool.append(notes(1))
    other = AuditSpool.open(tmp_path, "gateway", ROOMY)
    assert other.path != spool.path
    other.close()
    assert spool.count == 1


def test_an_abandoned_spool_is_taken_over_and_continued(tmp_path: Path) -> None:
    first = AuditSpool.open(tmp_path, "gateway", ROOMY)
    first.append(notes(1))
    next_one = again(first, tmp_path)
    assert (next_one.path, next_one.count, next_one.name) == (first.path, 1, first.name)
    next_one.append(notes(2))
    page = next_one.page(0, 10, None)
    assert dict(page.notes) == notes(1, 2)
    assert page.intact
    next_one.close()


def test_left_behind_spools_are_offered_and_live_ones_are_not(tmp_path: Path) -> None:
    opened = [AuditSpool.open(tmp_path, "gateway", ROOMY) for _ in range(3)]
    for number, one in enumerate(opened):
        one.append(notes(number))
    opened[1].close()
    found = list(opened[2].leftovers())
    assert [one.path for one in found] == [opened[1].path]
    for one in (opened[0], opened[2], *found):
        one.close()


def test_services_do_not_mix(tmp_path: Path) -> None:
    names = ("gateway", "signal")
    opened = {name: AuditSpool.open(tmp_path, name, ROOMY) for name in names}
    opened["gateway"].append(notes(1))
    assert not list(opened["signal"].leftovers())
    assert [service for service, _ in total_waiting(tmp_path)] == ["gateway"]
    for one in opened.values():
        one.close()


def test_nobody_else_can_read_it(spool: AuditSpool, tmp_path: Path) -> None:
    assert spool.path.stat().st_mode & 0o777 == 0o600
    assert spool.path.parent.stat().st_mode & 0o777 == 0o700
    spool.path.parent.chmod(0o755)
    with pytest.raises(ConfigError, match="chmod 700"):
        AuditSpool.open(tmp_path, "gateway", ROOMY)
    spool.path.parent.chmod(0o700)


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    first = AuditSpool.open(tmp_path, "gateway", ROOMY)
    first.path.chmod(0o644)
    first.close()
    with pytest.raises(ConfigError, match="chmod 600"):
        AuditSpool.open(tmp_path, "gateway", ROOMY)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    home = tmp_path / "gateway"
    home.mkdir(mode=0o700)
    (home / "0.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="cannot be opened"):
        AuditSpool.open(tmp_path, "gateway", ROOMY)


def test_a_service_is_no_path(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput):
        AuditSpool.open(tmp_path, "../gateway", ROOMY)


def test_a_line_cut_by_a_crash_is_dropped(tmp_path: Path) -> None:
    first = AuditSpool.open(tmp_path, "gateway", ROOMY)
    first.append(notes(1, 2))
    whole = first.size
    with first.path.open("ab") as file:
        file.write(b'{"seq":3,"at":"2026')
    found = again(first, tmp_path)
    assert (found.size, found.count) == (whole, 2)
    found.append(notes(3))
    assert found.page(0, 10, None).intact
    found.close()


def flipped(lines: list[bytes]) -> list[bytes]:
    return [lines[0], lines[1].replace(b"anna", b"fred"), *lines[2:]]


def unreadable(lines: list[bytes]) -> list[bytes]:
    return [lines[0], b"{not json\n", *lines[2:]]


def without_one(lines: list[bytes]) -> list[bytes]:
    return [lines[0], *lines[2:]]


def swapped(lines: list[bytes]) -> list[bytes]:
    return [lines[1], lines[0], *lines[2:]]


@pytest.mark.parametrize("harm", [flipped, unreadable, without_one, swapped])
def test_damage_is_told_of_and_kept(harm: object, tmp_path: Path) -> None:
    assert callable(harm)
    spool = AuditSpool.open(tmp_path, "gateway", ROOMY)
    spool.append(notes(1, 2, 3, 4))
    spool.path.write_bytes(b"".join(harm(spool.path.read_bytes().splitlines(keepends=True))))
    found = again(spool, tmp_path)
    page = found.page(0, 10, None)
    assert not page.intact
    assert {"id-3", "id-4"} <= set(page.notes), "what can be read is still read"
    damaged = found.path.read_bytes()
    found.clear(intact=False)
    (aside,) = found.path.parent.glob("*.damaged")
    assert aside.read_bytes() == damaged
    assert aside.stat().st_mode & 0o777 == 0o600
    found.close()


def test_a_cleared_spool_begins_anew(spool: AuditSpool) -> None:
    spool.append(notes(1))
    spool.clear(intact=True)
    assert (spool.size, spool.count, spool.name) == (0, 0, "")
    spool.append(notes(2))
    assert dict(spool.page(0, 10, None).notes) == notes(2)
    assert spool.page(0, 10, None).intact
    assert not list(spool.path.parent.glob("*.damaged"))


def test_a_full_spool_refuses_and_keeps_what_it_has(tmp_path: Path) -> None:
    spool = AuditSpool.open(tmp_path, "gateway", 600)
    spool.append(notes(1))
    with pytest.raises(SafetyError, match="is full"):
        spool.append(notes(2, 3, 4))
    assert dict(spool.page(0, 10, None).notes) == notes(1)
    spool.close()


FULL = """
import json, resource, sys
from pathlib import Path
from datetime import UTC, datetime
from tradewright.adapters.audit import AuditSpool
from tradewright.core.errors import SafetyError
from tradewright.core.records import Note

resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
spool = AuditSpool.open(Path(sys.argv[1]), "gateway", 1_000_000)
kept, refused = [], []
for number in range(40):
    note = Note(datetime(2026, 3, 4, tzinfo=UTC), "user:anna", "login", {"n": number})
    try:
        spool.append({f"id-{number}": note})
    except SafetyError as error:
        refused.append(str(error))
    else:
        kept.append(f"id-{number}")
print(json.dumps({"kept": kept, "refused": refused, "size": spool.size}))
"""


def test_a_full_disk_refuses_and_keeps_what_was_promised(tmp_path: Path) -> None:
    # A limit on the size of files stops the write in its middle, like a disk without room.
    ran = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=True
    )
    told = json.loads(ran.stdout)
    assert told["kept"]
    assert "File too large" in told["refused"][0]
    spool = AuditSpool.open(tmp_path, "gateway", ROOMY)
    page = spool.page(0, 100, None)
    assert list(page.notes) == told["kept"]
    assert page.intact
    assert spool.path.stat().st_size == told["size"]
    spool.close()


def test_the_device_that_is_always_full(spool: AuditSpool) -> None:
    spool.append(notes(1))
    full, real = os.open("/dev/full", os.O_RDWR), os.dup(spool._descriptor)
    os.dup2(full, spool._descriptor)
    with pytest.raises(SafetyError, match="No space left on device"):
        spool.append(notes(2))
    os.dup2(real, spool._descriptor)
    spool.append(notes(3))
    page = spool.page(0, 10, None)
    assert dict(page.notes) == notes(1, 3)
    assert page.intact
    os.close(full)
    os.close(real)

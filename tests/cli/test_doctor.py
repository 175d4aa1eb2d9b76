"""`tradewright doctor`: what is looked at, and what it says to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commands import Inside, left_in, run

LOOKED_AT = ["Python", "settings", "disk", "calendar", "databases", "clock"]


@pytest.fixture
def inside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Inside:
    return Inside(tmp_path, capsys, monkeypatch)


def bad(inside: Inside) -> tuple[Any, Any]:
    """The findings of a look that does not end well, and the one that is wrong."""
    told = inside.run("doctor", "--json")
    assert (told.code, told.err) == (1, "")
    body = json.loads(told.out)
    assert body["fine"] is False
    (wrong,) = [one for one in body["findings"] if not one["fine"]]
    assert wrong["remedy"]
    return body["findings"], wrong


def test_all_is_well_in_an_empty_folder(server_ground: Path) -> None:
    folder = server_ground / "doctor"
    folder.mkdir()
    body = run(folder, "doctor", "--json").body()
    assert body["fine"] is True
    assert [one["what"] for one in body["findings"]] == LOOKED_AT
    assert all(one["fine"] and one["found"] and not one["remedy"] for one in body["findings"])
    assert [path.name for path in folder.iterdir()] == [".tradewright"]
    assert left_in(folder) == []


def test_broken_setting_is_told_with_its_remedy(inside: Inside) -> None:
    inside.set(TRADEWRIGHT_FOO="1")
    findings, wrong = bad(inside)
    assert [one["what"] for one in findings] == ["Python", "settings"]
    assert "unknown setting 'TRADEWRIGHT_FOO' in the environment" in wrong["found"]
    assert "`.env.example` lists every setting" in wrong["found"]
    assert list(inside.folder.iterdir()) == []


def test_database_that_does_not_answer_is_told_and_the_rest_is_looked_at(inside: Inside) -> None:
    inside.set(DATABASE_URL="postgresql://me:secret@127.0.0.1:1/x")
    findings, wrong = bad(inside)
    assert [one["what"] for one in findings] == LOOKED_AT[:-1]
    assert wrong["what"] == "databases"
    assert "no PostgreSQL for database 'x' at 127.0.0.1:1" in wrong["found"]
    assert "mend DATABASE_URL" in wrong["found"]
    assert "secret" not in json.dumps(findings)


def test_state_that_cannot_be_made_is_told(inside: Inside) -> None:
    (inside.folder / "file").write_text("")
    inside.set(TRADEWRIGHT_STATE_DIR="file/[/state]")
    _, wrong = bad(inside)
    assert "cannot create the state folder" in wrong["found"]
    assert "choose another state folder" in wrong["found"]


def test_people_get_a_table_whatever_is_in_the_words(inside: Inside) -> None:
    (inside.folder / "file").write_text("")
    # What looks like markup is shown as it stands.
    inside.set(TRADEWRIGHT_STATE_DIR="file/[/red]")
    told = inside.run("doctor")
    assert told.code == 1
    assert "[/red]" in "".join(part.strip(" │\n") for part in told.out.split("│"))
    assert "✗" in told.out

"""Searches as they are kept: read, locked, cut short, listed and drawn."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.unit.backtest.surfaces import (
    FREE,
    RUN,
    a_search,
    answering,
    valley,
)
from tradewright.backtest.search.figures import (
    heat_figure,
    influences,
    slice_figure,
    tradeoff_figure,
)
from tradewright.backtest.search.folders import kept_search, kept_searches
from tradewright.backtest.search.objective import Objectives
from tradewright.backtest.search.page import search_page
from tradewright.backtest.search.plan import SearchSpec
from tradewright.backtest.search.search import Search
from tradewright.backtest.search.trials import State, Trial, TrialFolder, is_held, read_trials
from tradewright.core.clock import SystemClock
from tradewright.core.errors import ChecksumMismatch, ConfigError, InvalidInput, MissingData
from tradewright.core.records import Body

DAYS = ["2024-01-02", "2024-01-03", "2024-01-04"]


def a_trial(number: int, returns: list[float] | None = None) -> Trial:
    ran = None if returns is None else np.array(returns)
    state = State.REFUSED if ran is None else State.DONE
    return Trial(number, {"fast": str(number)}, state, (0.5,), {"fills": 3.0}, "", ran)


def a_folder(root: Path, spec: SearchSpec, name: str = "s") -> TrialFolder:
    body: Body = {"sessions": [*DAYS], "search": spec.body(), "data_hash": "ab", "asked": {}}
    return TrialFolder.made(root / name, body)


def searched(root: Path, spec: SearchSpec, name: str = "s") -> None:
    Search(spec, a_folder(root, spec, name), SystemClock()).run(answering(valley))


def test_trials_are_read_as_they_were_written(tmp_path: Path) -> None:
    folder = a_folder(tmp_path, a_search(FREE, "random"))
    with folder.opened() as kept:
        assert list(kept) == []
        folder.append([a_trial(0, [0.1, 0.2, float("nan")]), a_trial(1)])
        folder.append([a_trial(2, [0.3, 0.4, 0.5])])
    read = read_trials(tmp_path / "s")
    assert [trial.body() for trial in read.trials] == [
        a_trial(0, [0.0]).body(),
        a_trial(1).body(),
        a_trial(2, [0.0]).body(),
    ]
    assert [day.isoformat() for day in read.sessions] == DAYS
    np.testing.assert_array_equal(read.returns, [[0.1, 0.3], [0.2, 0.4], [np.nan, 0.5]])
    assert read.trials[1].returns is None


def test_what_was_cut_short_is_dropped_by_the_next_writer(tmp_path: Path) -> None:
    folder = a_folder(tmp_path, a_search(FREE, "random"))
    with folder.opened():
        folder.append([a_trial(0, [0.1, 0.2, 0.3]), a_trial(1)])
    whole = {name: (tmp_path / "s" / name).read_bytes() for name in ("trials.jsonl", "returns.f64")}
    with (tmp_path / "s" / "trials.jsonl").open("ab") as file:
        file.write(b'{"number":2,"para')
    with (tmp_path / "s" / "returns.f64").open("ab") as file:
        file.write(bytes(20))
    assert len(read_trials(tmp_path / "s").trials) == 2
    with folder.opened() as kept:
        assert len(kept) == 2
    for name, content in whole.items():
        assert (tmp_path / "s" / name).read_bytes() == content


def test_what_was_altered_is_refused(tmp_path: Path) -> None:
    folder = a_folder(tmp_path, a_search(FREE, "random"))
    with folder.opened():
        folder.append([a_trial(0, [0.1, 0.2, 0.3]), a_trial(1), a_trial(2)])
    lines = tmp_path / "s" / "trials.jsonl"
    content = lines.read_bytes().splitlines(keepends=True)
    for broken in (content[0] + content[2], content[0] + b"{nonsense}\n" + content[2]):
        lines.write_bytes(broken)
        with pytest.raises(ChecksumMismatch, match="line 2 is not trial 1"):
            read_trials(tmp_path / "s")
    lines.write_bytes(b"".join(content))
    (tmp_path / "s" / "returns.f64").write_bytes(bytes(8))
    with pytest.raises(ChecksumMismatch, match="has no returns of trial 0"):
        read_trials(tmp_path / "s")
    (tmp_path / "s" / "search.json").write_text("{")
    with pytest.raises(ChecksumMismatch, match="is no JSON"):
        read_trials(tmp_path / "s")
    with pytest.raises(MissingData, match="cannot be read"):
        read_trials(tmp_path / "nowhere")


def test_one_process_runs_a_search(tmp_path: Path) -> None:
    folder = a_folder(tmp_path, a_search(FREE, "random"))
    assert not is_held(tmp_path / "s")
    with folder.opened():
        assert is_held(tmp_path / "s")
        assert kept_search(tmp_path, "s").state == "running"
        other = TrialFolder(tmp_path / "s", 3)
        with pytest.raises(InvalidInput, match="is being run by another process"), other.opened():
            pytest.fail("opened twice")
    assert kept_search(tmp_path, "s").state == "stopped"
    with pytest.raises(ConfigError, match="cannot be made"):
        a_folder(tmp_path, a_search(FREE, "random"))


def test_searches_are_found_by_id_beginning_and_latest(tmp_path: Path) -> None:
    assert kept_searches(tmp_path / "none") == []
    with pytest.raises(InvalidInput, match="no search is kept in"):
        kept_search(tmp_path, "latest")
    for name in ("2024-a", "2025-b", "2025-c"):
        a_folder(tmp_path, a_search(FREE, "random"), name)
    assert [one.id for one in kept_searches(tmp_path)] == ["2025-c", "2025-b", "2024-a"]
    assert kept_search(tmp_path, "latest").id == "2025-c"
    assert kept_search(tmp_path, "2024").id == "2024-a"
    with pytest.raises(InvalidInput, match="begins 2 searches"):
        kept_search(tmp_path, "2025")
    with pytest.raises(InvalidInput, match="names no search"):
        kept_search(tmp_path, "1999")


def test_what_a_search_came_to(tmp_path: Path) -> None:
    searched(tmp_path, a_search(FREE, "random", trials=40))
    kept = kept_search(tmp_path, "latest")
    body = json.loads(json.dumps(kept.body(), allow_nan=False))
    assert (body["state"], body["trials"], body["counts"]) == ("trials", 40, {"done": 40})
    assert body["best"]["number"] == kept.best[0].number
    assert body["front"] is None
    # Every return is the same here, which leaves no Sharpe ratio to deflate.
    assert body["deflated_sharpe"] is None


def test_the_best_of_many_is_deflated(tmp_path: Path) -> None:
    noise = np.random.default_rng(0)
    folder = a_folder(tmp_path, a_search(FREE, "random"))
    with folder.opened():
        for number in range(30):
            folder.append([a_trial(number, noise.normal(0.001, 0.01, 3).tolist())])
    lucky = kept_search(tmp_path, "s").deflated()
    assert lucky is not None
    assert lucky["trials"] == 30
    luck, deflated, probabilistic = lucky["luck"], lucky["deflated"], lucky["probabilistic"]
    assert isinstance(luck, float)
    assert isinstance(deflated, float)
    assert isinstance(probabilistic, float)
    assert luck > 0
    assert deflated < probabilistic


def test_a_picture_shows_every_parameter(tmp_path: Path) -> None:
    searched(tmp_path, a_search((*FREE, "<b>=1,2"), "random", trials=80))
    kept = kept_search(tmp_path, "latest")
    assert influences(kept)[0] == "n"
    page = search_page(kept)
    assert "80 sets were tried on the same data" in page
    assert "<b>=" not in page
    assert "By &lt;b&gt;" in page
    assert page.count("data-figure=") == 1 + 4 + 6  # trials, slices, heat maps
    heat = heat_figure(kept, "kind", "n")
    assert heat["data"][0]["x"] == ["a", "b", "c"]
    assert sum(int(text) for row in heat["data"][0]["text"] for text in row) == 80
    assert slice_figure(kept, "n")["layout"]["xaxis"]["type"] == "log"
    assert slice_figure(kept, "kind")["layout"]["xaxis"]["type"] == "category"


def test_a_picture_of_nothing_and_of_two_objectives(tmp_path: Path) -> None:
    a_folder(tmp_path, a_search(FREE, "random"), "empty")
    assert "No trial can be compared." in search_page(kept_search(tmp_path, "empty"))
    objectives = Objectives.of(["sharpe", "max_drawdown"])
    spec = a_search(("x=0:3:1",), objectives=objectives)
    folder = a_folder(tmp_path, spec, "two")
    Search(spec, folder, SystemClock()).run(
        answering(lambda chosen: {"sharpe": float(chosen["x"]), "max_drawdown": 0.1})
    )
    kept = kept_search(tmp_path, "two")
    assert [trial.number for trial in kept.best] == [3]
    beaten, front = tradeoff_figure(kept)["data"]
    assert (len(beaten["x"]), front["x"]) == (3, [3.0])
    assert "One against the other" in search_page(kept)
    assert RUN.strategy in search_page(kept)

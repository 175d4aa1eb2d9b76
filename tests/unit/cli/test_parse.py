from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from tests.builders import a_market, flat_bars
from tradewright import __version__
from tradewright.cli.parse import (
    Plan,
    amount,
    code_revision,
    day,
    first_of_last,
    output_file,
    pairs,
    planned,
    run_spec,
    symbols_of,
    write_whole,
)
from tradewright.core.errors import InvalidInput, MissingData, UnknownName
from tradewright.core.session import Timeframe
from tradewright.data.history import MarketData


def market(sessions: int) -> MarketData:
    return a_market({"AAA": flat_bars([100.0] * sessions)})


def test_choices_are_sorted_into_costs_and_parameters() -> None:
    choices = {"top": "5", "commission": "none", "slippage_bps": "0", "volume_share": "0.1"}
    plan = planned("momentum", Decimal(100), choices)
    assert plan.parameters == {"top": "5"}
    costs = (plan.costs.commission, plan.costs.slippage_bps, plan.volume_share)
    assert costs == ("none", Decimal(0), Decimal("0.1"))


def test_costs_that_are_not_chosen_are_the_usual_ones() -> None:
    assert planned("momentum", Decimal(100), {}) == Plan("momentum", {}, Decimal(100))


def test_plan_wants_the_bars_of_its_strategy() -> None:
    assert Plan("sma-cross", {"timeframe": "minute"}, Decimal(1)).timeframe is Timeframe.MINUTE
    with pytest.raises(UnknownName, match="strategy: 'luck' is not known"):
        _ = Plan("luck", {}, Decimal(1)).timeframe


@pytest.mark.parametrize(("sessions", "place"), [(2, 1), (5, 1), (6, 1), (7, 2), (20, 15)])
def test_last_sessions_leave_one_to_decide_on(sessions: int, place: int) -> None:
    loaded = market(sessions)
    assert first_of_last(loaded, 5) == loaded.frame.sessions[place].date


def test_one_session_is_too_few() -> None:
    with pytest.raises(MissingData, match="give at least 2 sessions"):
        first_of_last(market(1), 5)


def test_run_without_dates_begins_where_the_features_do() -> None:
    loaded = market(20)
    days = [session.date for session in loaded.frame.sessions]
    plan = Plan("sma-cross", {"fast": "2", "slow": "5"}, Decimal(1000))
    spec = run_spec(plan, loaded, None, None)
    assert (spec.first, spec.last, spec.data) == (days[5], days[-1], loaded.label)
    assert run_spec(Plan("momentum", {}, Decimal(1)), loaded, None, None).first == days[-1]


def test_run_keeps_the_dates_that_it_is_given() -> None:
    first, last = date(2024, 1, 4), date(2030, 1, 1)
    spec = run_spec(Plan("sma-cross", {}, Decimal(1)), market(20), first, last)
    assert (spec.first, spec.last) == (first, last)


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        (date(2030, 1, 1), None, "--from: '2030-01-01' is after the last session"),
        (date(2024, 1, 5), date(2024, 1, 4), "--to: '2024-01-04' is before --from"),
        (None, date(2020, 1, 1), "--to: '2020-01-01' is before --from"),
    ],
)
def test_dates_that_are_no_span_name_their_option(
    first: date | None, last: date | None, words: str
) -> None:
    with pytest.raises(InvalidInput, match="; choose") as refused:
        run_spec(Plan("sma-cross", {}, Decimal(1)), market(20), first, last)
    assert words in str(refused.value)


def test_amounts_are_exact_and_positive() -> None:
    assert amount("1.10", "--cash") == Decimal("1.10")
    assert amount("0", "--bps", zero=True) == 0
    for text, zero in (("0", False), ("-1", False), ("-1", True), ("inf", True), ("1e", False)):
        with pytest.raises(InvalidInput, match="--cash"):
            amount(text, "--cash", zero=zero)


def test_days() -> None:
    assert day(None, "--from") is None
    assert day("2020-08-31", "--from") == date(2020, 8, 31)
    with pytest.raises(InvalidInput, match="--from: '31/8/2020' is not a date"):
        day("31/8/2020", "--from")


def test_pairs_may_hold_spaces_and_more_signs() -> None:
    assert pairs(None) == {}
    assert pairs(["top = 5", "a=b=c", "empty="]) == {"top": "5", "a": "b=c", "empty": ""}


def test_symbols_are_apart_by_commas_and_spaces() -> None:
    assert symbols_of(["A, B", "C\tD,,", " "]) == ("A", "B", "C", "D")
    assert symbols_of(None) == ()


def test_file_is_written_whole_in_the_place_of_another(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    for text in ("one", "two"):
        write_whole(path, text)
        assert path.read_text() == text
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (".", "is a folder"),
        ("", "is a folder"),
        ("nowhere/out.json", "folder that does not exist"),
        ("file/out.json", "folder that does not exist"),
        ("x" * 300, "cannot be written"),
    ],
)
def test_file_that_cannot_be_written_is_refused_and_leaves_nothing(
    tmp_path: Path, name: str, words: str
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput, match=words):
        write_whole(tmp_path / name, "text")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_place_of_an_output_is_looked_at_without_writing(tmp_path: Path) -> None:
    assert output_file(tmp_path / "out.json") == tmp_path / "out.json"
    assert list(tmp_path.iterdir()) == []


def test_revision_is_the_version_where_there_is_no_git(monkeypatch: pytest.MonkeyPatch) -> None:
    assert code_revision()
    monkeypatch.setenv("PATH", "")
    assert code_revision() == __version__

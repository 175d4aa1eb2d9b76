"""Parameters, their values, and rules between them."""

from __future__ import annotations

import pickle

import pytest

from tradewright.backtest.search.space import Space, Span, Steps, parameters_of
from tradewright.backtest.search.where import rules_of
from tradewright.core.errors import InvalidInput


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("5:20:5", ("5", "10", "15", "20")),
        ("5:21:5", ("5", "10", "15", "20")),
        ("0.1:0.4:0.1", ("0.1", "0.2", "0.3", "0.4")),
        ("-1:1:1", ("-1", "0", "1")),
        ("100:300:100", ("100", "200", "300")),
        ("20,50,100", ("20", "50", "100")),
        ("week,month", ("week", "month")),
        ("momentum:2,sma-cross:1", ("momentum:2", "sma-cross:1")),
    ],
)
def test_values_of_steps(text: str, values: tuple[str, ...]) -> None:
    (found,) = parameters_of([f"x={text}"])
    assert isinstance(found, Steps)
    assert found.values == values
    assert found.ordered is ("e" not in text and "momentum" not in text)


def test_ranges_reach_their_ends_and_nothing_beyond() -> None:
    found = parameters_of(["u=uniform:0.1:0.9", "l=log:0.001:10", "i=int:3:5", "n=logint:1:100"])
    for parameter in found:
        assert isinstance(parameter, Span)
        low, high = parameter.at(0.0), parameter.at(0.999999999)
        assert (float(low), float(high)) == pytest.approx((parameter.low, parameter.high), rel=1e-5)
        for step in range(200):
            value = parameter.at(step / 200)
            assert parameter.low <= float(value) <= parameter.high
            assert parameter.at(parameter.place(value)) == value
    uniform, log, whole, _ = found
    assert uniform.at(0.5) == "0.5"
    assert log.at(0.5) == "0.1"
    assert [whole.at((step + 0.5) / 3) for step in range(3)] == ["3", "4", "5"]


@pytest.mark.parametrize(
    ("text", "field", "value", "rule", "remedy"),
    [
        ("fast", "--param", "fast", "is not name=values", "fast=5:50:5"),
        ("fast=", "--param", "fast=", "is not name=values", "fast=5:50:5"),
        ("fast=5", "--param fast", "5", "one value", "--set fast=5"),
        ("fast=5:50", "--param fast", "5:50", "is not 3 numbers", "from:to:step"),
        ("fast=5:x:1", "--param fast", "5:x:1", "is not 3 numbers", "from:to:step"),
        ("fast=50:5:5", "--param fast", "50:5:5", "does not rise", "lower end first"),
        ("fast=5:50:0", "--param fast", "5:50:0", "does not go up", "above 0"),
        ("fast=5:50:100", "--param fast", "5:50:100", "no second value", "smaller step"),
        ("fast=0:1:0.000001", "--param fast", "0:1:0.000001", "steps", "at most 100,000"),
        ("fast=1,2,2", "--param fast", "1,2,2", "a value twice", "each once"),
        ("fast=1,,2", "--param fast", "1,,2", "an empty value", "no comma"),
        ("x=log:0:1", "--param x", "0:1", "above zero", "raise it"),
        ("x=uniform:1:1", "--param x", "1:1", "does not rise", "lower end first"),
        ("x=uniform:1:nan", "--param x", "1:nan", "is not 2 numbers", "uniform"),
        ("x=int:0.5:3", "--param x", "0.5:3", "no whole number", "uniform or log"),
    ],
)
def test_a_bad_range_is_refused_by_field_value_and_remedy(
    text: str, field: str, value: str, rule: str, remedy: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        parameters_of([text])
    error = refused.value
    assert (error.field, error.value) == (field, value)
    assert rule in error.rule
    assert remedy in error.remedy


def test_a_parameter_is_named_once_and_there_is_one() -> None:
    with pytest.raises(InvalidInput, match="names fast twice"):
        parameters_of(["fast=1,2", "fast=3,4"])
    with pytest.raises(InvalidInput, match="nothing would be searched"):
        parameters_of([])


def a_space(*texts: str, where: tuple[str, ...] = (), **fixed: str) -> Space:
    parameters = parameters_of(texts)
    names = [parameter.name for parameter in parameters]
    return Space(parameters, rules_of(where, names, fixed))


def test_a_grid_has_every_set_that_keeps_the_rules() -> None:
    space = a_space("fast=1:3:1", "slow=2,3", where=("fast < slow",))
    assert [tuple(chosen.values()) for chosen in space.grid()] == [
        ("1", "2"),
        ("1", "3"),
        ("2", "3"),
    ]
    assert space.size == 6
    with pytest.raises(InvalidInput, match="has no steps, so it makes no grid") as refused:
        list(a_space("x=uniform:0:1").grid())
    assert "--param x=0:1:STEP" in str(refused.value)


def test_corners_are_the_edges_of_every_parameter() -> None:
    found = list(a_space("fast=1:9:1", "kind=a,b,c", "x=uniform:0:1").corners())
    assert len(found) == 2 * 3 * 2
    assert {chosen["fast"] for chosen in found} == {"1", "9"}
    many = [f"p{number}=0:9:1" for number in range(20)]
    assert len(list(a_space(*many).corners())) == 40


VALUES = {"fast": "5", "slow": "20", "kind": "a", "of.fast": "7"}


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        ("fast < slow", True),
        ("fast * 4 <= slow", True),
        ("fast * 4 < slow", False),
        ("2 < fast < slow < 30", True),
        ("not fast == 5", False),
        ("kind == 'a' and slow in (20, 30)", True),
        ("kind not in ['a', 'b'] or slow - fast > 100", False),
        ("max(fast, slow) // 3 % 4 == 2 and abs(-fast) / 2 == 2.5", True),
        ("of.fast > fast", True),
        ("fast < limit", True),
    ],
)
def test_rules_mean_what_they_say(rule: str, kept: bool) -> None:
    (read,) = rules_of([rule], list(VALUES), {"limit": "6"})
    assert read(VALUES) is kept
    assert pickle.loads(pickle.dumps(read))(VALUES) is kept  # noqa: S301 - our own


@pytest.mark.parametrize(
    "rule",
    [
        "__import__('os').system('true')",
        "fast.__class__",
        "(lambda: 1)()",
        "[x for x in (1, 2)]",
        "fast if slow else kind",
        "fast ** slow ** slow",
        "fast << slow",
        "open('x')",
        "f'{fast}'",
        "fast := 3",
        "fast <",
        "fast is slow",
        "max()",
        "max(fast, key=slow)",
        "fastt < slow",
        "None == fast",
        "(" * 300 + "fast" + ")" * 300,
    ],
)
def test_what_is_no_rule_is_refused_unrun(rule: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        rules_of([rule], list(VALUES), {})
    assert refused.value.field == "--where"
    assert refused.value.remedy


@pytest.mark.parametrize(
    "rule", ["fast / (slow - slow) > 1", "kind < fast", "kind * 99999999 == 'a'"]
)
def test_a_rule_that_cannot_be_answered_says_for_which_set(rule: str) -> None:
    (read,) = rules_of([rule], list(VALUES), {})
    with pytest.raises(InvalidInput, match="cannot be answered for fast=5, slow=20"):
        read(VALUES)

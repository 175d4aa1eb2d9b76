"""Fault rules: what they strike, what a bad script is told, and that a seed repeats itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.exchange.builders import an_exchange, closed
from tradewright.core.errors import InvalidInput, QualityFailure, UnknownName
from tradewright.exchange.faults.judge import Faults
from tradewright.exchange.faults.kinds import KINDS
from tradewright.exchange.faults.rules import (
    Answer,
    Call,
    Change,
    Drop,
    Edit,
    Phase,
    Twist,
    edited,
)
from tradewright.exchange.faults.script import read_json, read_rule, read_script, read_toml

NOW = datetime(2024, 1, 3, 15, tzinfo=UTC)
LOST_REPLY = """
seed = 7

[[rule]]
name = "lost reply"
match = { route = "POST /v2/orders", client_order_id = "row-1*", nth = 1 }
action = "drop_after_commit"

[[rule]]
name = "storm"
match = { route = "/v2/*", since = 2024-01-03T14:30:00Z, until = 2024-01-03T14:31:00Z }
action = { do = "answer", status = 429, body = { message = "too many requests" } }
"""


def a_rule(action: object = "drop_before", **match: Any) -> dict[str, Any]:
    where = {} if {"route", "stream", "at"} & set(match) else {"route": "POST /v2/orders"}
    return {"name": "r", "match": {**where, **match}, "action": action}


def armed(*rules: Mapping[str, Any], seed: int = 0) -> Faults:
    faults = Faults()
    faults.apply(read_script({"rule": list(rules), "seed": seed}))
    return faults


def an_order(client_order_id: str = "mine", symbol: str = "AAA") -> Call:
    return Call(
        Phase.REQUEST,
        "POST /v2/orders",
        symbols=(symbol,),
        client_order_id=client_order_id,
    )


def an_update(event: str = "fill", *, is_control: bool = False) -> Call:
    return Call(
        Phase.MESSAGE, "trade_updates", event=event, symbols=("AAA",), is_control=is_control
    )


def pattern(faults: Faults, calls: Sequence[Call], now: datetime = NOW) -> list[bool]:
    return [bool(faults.strikes(call, now)) for call in calls]


def test_a_script_of_toml_is_read() -> None:
    script = read_toml(LOST_REPLY)
    lost, storm = script.rules
    assert script.seed == 7
    assert (lost.name, lost.kind, lost.action) == (
        "lost reply",
        "drop_after_commit",
        Drop(after_commit=True),
    )
    assert (lost.match.route, lost.match.nth) == ("POST /v2/orders", 1)
    assert storm.match.route == "* /v2/*"
    assert storm.match.since == datetime(2024, 1, 3, 14, 30, tzinfo=UTC)
    assert storm.action == Answer(429, '{"message": "too many requests"}', "application/json", {})


def test_the_same_script_of_json_is_the_same() -> None:
    toml = read_toml(LOST_REPLY)
    document = {"seed": 7, "rule": [rule.source for rule in toml.rules]}
    assert read_json(json.dumps(document)) == toml


BAD: Sequence[tuple[object, str]] = [
    (7, "script: 7 is not a table"),
    ({}, "script: rule: [] is not a list of rules; write [[rule]] tables"),
    ({"rule": [7]}, "rule 1: 7 is not a table"),
    ({"rules": []}, "script: field: 'rules' is not known; choose one of: rule, seed"),
    ({"rule": [{}]}, "rule 1: name: None is not a word"),
    ({"rule": [a_rule(), a_rule()]}, "rule 'r': name: 'r' is used twice"),
    ({"rule": [a_rule()], "seed": -1}, "script: seed: -1 is not a whole number from 0"),
    ({"rule": [{**a_rule(), "mach": {}}]}, "rule 'r': field: 'mach' is not known"),
    ({"rule": [a_rule("explode")]}, "rule 'r': action: 'explode' is not known"),
    ({"rule": [a_rule(7)]}, "rule 'r': action: 7 is not an action"),
    ({"rule": [a_rule({"seconds": 1})]}, "rule 'r': action.do: None is not a word"),
    ({"rule": [a_rule("delay_after")]}, "rule 'r': action.seconds: None is missing"),
    (
        {"rule": [a_rule({"do": "delay_after", "seconds": "1"})]},
        "rule 'r': action.seconds: '1' is not a number",
    ),
    (
        {"rule": [a_rule({"do": "delay_after", "seconds": -1})]},
        "rule 'r': action.seconds: -1 is not between 0 and 86400",
    ),
    (
        {"rule": [a_rule({"do": "answer", "status": 99})]},
        "rule 'r': action.status: 99 is not a whole number from 200 to 599",
    ),
    (
        {"rule": [a_rule({"do": "answer", "status": 500, "headers": {"a": 1}})]},
        "rule 'r': action.headers.a: 1 is not a word",
    ),
    (
        {"rule": [a_rule({"do": "hang", "after_commit": 1})]},
        "rule 'r': action.after_commit: 1 is neither true nor false",
    ),
    (
        {"rule": [a_rule({"do": "hang", "seconds": 1})]},
        "rule 'r': action hang: field: 'seconds' is not known",
    ),
    ({"rule": [a_rule(nth=0)]}, "rule 'r': match.nth: 0 is not a whole number from 1"),
    ({"rule": [a_rule(nth=1, first=2)]}, "picks calls twice; keep one of nth, every and first"),
    ({"rule": [a_rule(probability=1.5)]}, "rule 'r': match.probability: 1.5 is not between 0 and"),
    ({"rule": [a_rule(route="orders")]}, "rule 'r': match.route: 'orders' is not a route"),
    ({"rule": [a_rule(stream="*", route="*")]}, "names no single place"),
    ({"rule": [{"name": "r", "action": "hang"}]}, "names no single place; say route = "),
    ({"rule": [a_rule(rout="x")]}, "rule 'r': match: field: 'rout' is not known"),
    ({"rule": [a_rule(event="fill")]}, "rule 'r': match.event: 'fill' belongs to a stream"),
    ({"rule": [a_rule(stream="*", query="x")]}, "rule 'r': match.query: 'x' belongs to a route"),
    ({"rule": [a_rule(since="noon")]}, "rule 'r': match.since: 'noon' is not a time"),
    ({"rule": [a_rule(since="2024-01-03")]}, "is not a time with a zone; write a time with"),
    (
        {"rule": [a_rule(since="2024-01-03T15:00Z", until="2024-01-03T15:00Z")]},
        "rule 'r': match.until: '2024-01-03T15:00Z' is not after",
    ),
    (
        {"rule": [a_rule("mute")]},
        "rule 'r': action: 'mute' cannot strike a request; match a stream",
    ),
    ({"rule": [a_rule("hang", stream="*")]}, "'hang' cannot strike a message; match a route"),
    ({"rule": [a_rule("hang", at="2024-01-03T15:00Z")]}, "'hang' cannot strike a time"),
    ({"rule": [a_rule("hold_fill", route="GET /v2/clock")]}, "submits no order; match route = "),
]


@pytest.mark.parametrize(("document", "sentence"), BAD, ids=[sentence for _, sentence in BAD])
def test_what_is_wrong_is_named_with_its_remedy(document: object, sentence: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_script(document)
    assert sentence in str(refused.value)
    assert ";" in str(refused.value)


def test_text_that_is_no_script_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"is not TOML: .*write"):
        read_toml("[[rule]")
    with pytest.raises(InvalidInput, match=r"is not JSON: .*write"):
        read_json("{" + "x" * 100)


def test_nothing_of_a_bad_script_is_applied() -> None:
    faults = armed(a_rule())
    before = faults.standing()
    with pytest.raises(InvalidInput):
        faults.apply(read_script({"rule": [{**a_rule("hang"), "name": "s"}, a_rule("explode")]}))
    assert faults.standing() == before


COUNTS: Sequence[tuple[dict[str, int], list[bool]]] = [
    ({}, [True] * 6),
    ({"nth": 3}, [False, False, True, False, False, False]),
    ({"every": 2}, [False, True, False, True, False, True]),
    ({"first": 2}, [True, True, False, False, False, False]),
    ({"count": 1}, [True, False, False, False, False, False]),
    ({"every": 2, "count": 2}, [False, True, False, True, False, False]),
    ({"probability": 0}, [False] * 6),
]


@pytest.mark.parametrize(("match", "struck"), COUNTS, ids=[str(match) for match, _ in COUNTS])
def test_calls_are_counted(match: dict[str, int], struck: list[bool]) -> None:
    faults = armed(a_rule(**match))
    assert pattern(faults, [an_order()] * 6) == struck
    row: Any = faults.standing()["rules"][0]  # type: ignore[index]
    assert (row["seen"], row["struck"]) == (6, sum(struck))


def test_only_calls_that_match_are_counted() -> None:
    faults = armed(a_rule(client_order_id="row-1*", symbol="A*", nth=2))
    calls = [
        an_order("row-1a"),
        an_order("row-2"),
        an_order("row-1b", "BBB"),
        an_order("row-1c"),
    ]
    assert pattern(faults, calls) == [False, False, False, True]


def test_a_route_without_method_is_any_method() -> None:
    faults = armed(a_rule(route="/v2/orders*"))
    routes = ["GET /v2/orders", "DELETE /v2/orders/1", "GET /v2/clock"]
    calls = [Call(Phase.REQUEST, route) for route in routes]
    assert pattern(faults, calls) == [True, True, False]


def test_a_query_tells_feeds_apart() -> None:
    faults = armed(a_rule(route="GET /v2/stocks/*", query="*feed=iex*"))
    path = "GET /v2/stocks/quotes/latest"
    calls = [Call(Phase.REQUEST, path, f"symbols=AAA&feed={feed}") for feed in ("iex", "sip")]
    assert pattern(faults, calls) == [True, False]


def test_the_window_holds_its_start_and_not_its_end() -> None:
    until = NOW + timedelta(minutes=1)
    faults = armed(a_rule(since=NOW.isoformat(), until=until.isoformat()))
    times = [NOW - timedelta(microseconds=1), NOW, until - timedelta(microseconds=1), until]
    assert [bool(faults.strikes(an_order(), at)) for at in times] == [False, True, True, False]


def test_what_a_stream_answers_is_struck_by_name_alone() -> None:
    greeting = an_update("authorization", is_control=True)
    faults = armed(a_rule("drop_before", stream="trade_updates", nth=1))
    assert pattern(faults, [greeting, an_update(), an_update()]) == [False, True, False]
    named = armed(a_rule("drop_before", stream="trade_updates", event="auth*"))
    assert pattern(named, [greeting, an_update()]) == [True, False]


def test_a_handshake_is_no_message() -> None:
    faults = armed(a_rule({"do": "refuse", "status": 429}, stream="trade_updates"))
    opening = Call(Phase.HANDSHAKE, "trade_updates", event="connect")
    assert pattern(faults, [an_update(), opening, an_order()]) == [False, True, False]


def test_rules_strike_together_in_their_order() -> None:
    second = {**a_rule({"do": "delay_after", "seconds": 1}), "name": "s"}
    faults = armed(a_rule("drop_before"), second)
    assert [rule.name for rule in faults.strikes(an_order(), NOW)] == ["r", "s"]
    assert [row.body() for row in faults.log] == [
        {
            "seq": number,
            "at": "2024-01-03T15:00:00Z",
            "rule": name,
            "action": action,
            "route": "POST /v2/orders",
            "symbol": "AAA",
            "client_order_id": "mine",
        }
        for number, name, action in [(1, "r", "drop_before"), (2, "s", "delay_after")]
    ]


def test_who_records_is_told_of_every_fault() -> None:
    told: list[str] = []
    faults = Faults(lambda injected: told.append(f"{injected.rule} {injected.route}"))
    faults.apply(read_script({"rule": [a_rule(stream="trade_updates")]}))
    faults.strikes(an_update("fill"), NOW)
    assert told == ["r trade_updates fill"]


def test_rules_are_replaced_by_name_and_cleared() -> None:
    faults = armed(a_rule("hang", nth=1), {**a_rule("drop_before", nth=1), "name": "s"})
    faults.strikes(an_order(), NOW)
    faults.apply(read_script({"rule": [a_rule("hang", nth=1)]}))
    assert [rule.name for rule in faults.strikes(an_order(), NOW)] == ["r"]
    faults.clear("r")
    with pytest.raises(UnknownName, match="rule: 'r' is not known; choose one of: s"):
        faults.clear("r")
    assert faults.active
    faults.clear()
    assert not pattern(faults, [an_order()])[0]
    assert len(faults.log) == 3


def test_to_begin_anew_is_to_count_and_draw_anew() -> None:
    faults = armed(a_rule(probability=0.5), {**a_rule("hang", nth=2), "name": "s"}, seed=5)
    calls = [an_order()] * 20
    first = [[rule.name for rule in faults.strikes(call, NOW)] for call in calls]
    faults.restart()
    assert not faults.log
    assert [[rule.name for rule in faults.strikes(call, NOW)] for call in calls] == first
    assert faults.log[0].seq == 1


def test_a_restart_of_the_process_goes_on_with_the_log(tmp_path: Path) -> None:
    logs = []
    for calls in (3, 2):
        faults = armed(a_rule())
        exchange = an_exchange(faults=faults)
        exchange.keep(tmp_path, {"data": "a test market"})
        for _ in range(calls):
            faults.strikes(an_order(), exchange.market.now)
        exchange.close()
        logs.append([row.body() for row in faults.log])
    assert logs[1][:3] == logs[0]
    assert [row["seq"] for row in logs[1]] == [1, 2, 3, 4, 5]


@given(seed=st.integers(0, 2**32), probability=st.floats(0.05, 0.95))
def test_a_seed_gives_the_same_faults_again(seed: int, probability: float) -> None:
    rule = a_rule(probability=probability)
    calls = [an_order(str(number)) for number in range(50)]
    alone = pattern(armed(rule, seed=seed), calls)
    other = {**a_rule(probability=0.5), "name": "another"}
    together = armed(other, rule, seed=seed)
    beside = [any(struck.name == "r" for struck in together.strikes(call, NOW)) for call in calls]
    assert alone == beside


def test_other_seeds_give_other_faults_at_the_rate_asked_for() -> None:
    calls = [an_order()] * 1000
    runs = [pattern(armed(a_rule(probability=0.3), seed=seed), calls) for seed in (1, 2)]
    assert runs[0] != runs[1]
    assert all(250 < sum(run) < 350 for run in runs)


def test_the_random_mode_is_rules_of_its_own() -> None:
    def shaken() -> Faults:
        faults = armed(a_rule(nth=10**6))
        faults.shake(3, {"drop_after_commit": 0.5, "duplicate": {"probability": 0.5, "times": 2}})
        return faults

    calls = [an_order(), an_update()] * 100
    struck = [pattern(faults, calls) for faults in (shaken(), shaken())]
    assert struck[0] == struck[1]
    faults = shaken()
    pattern(faults, calls)
    assert {row.rule for row in faults.log} == {"random drop_after_commit", "random duplicate"}
    faults.shake(3, {"html": 1.0})
    rules = faults.standing()["rules"]
    assert [row["name"] for row in rules] == ["r", "random html"]  # type: ignore[index,union-attr,call-overload]


@pytest.mark.parametrize(
    ("rates", "sentence"),
    [
        ({"bust": 0.1}, "rates: kind: 'bust' is not known; choose one of: answer"),
        ({"html": 2}, "rule 'random html': match.probability: 2 is not between 0 and 1"),
        ({"html": {"status": 503}}, "rates: html.probability: None is missing"),
        ({"html": {"probability": 1, "x": 1}}, "action html: field: 'x' is not known"),
    ],
)
def test_bad_rates_are_refused_and_nothing_is_set(rates: dict[str, object], sentence: str) -> None:
    faults = Faults()
    with pytest.raises(InvalidInput, match=sentence):
        faults.shake(1, rates)
    assert not faults.active


def test_rules_with_a_time_come_once_and_by_time() -> None:
    later, sooner = NOW + timedelta(hours=1), NOW
    faults = armed(
        {**a_rule({"do": "halt", "symbol": "AAA"}, at=later.isoformat()), "name": "later"},
        {**a_rule({"do": "resume", "symbol": "AAA"}, at=sooner.isoformat()), "name": "sooner"},
    )
    assert faults.next_due(sooner - timedelta(1)) is None
    assert faults.next_due(later) == sooner
    assert [rule.name for rule in faults.due(later)] == ["sooner", "later"]
    assert faults.next_due(later) is None
    assert not faults.due(later)


def test_the_market_stops_where_a_rule_is_due() -> None:
    faults = armed(
        {**a_rule({"do": "nonsense"}, at=NOW.isoformat())} | {"action": "rotate_keys"},
        {**a_rule({"do": "disconnect"}, at=NOW.isoformat()), "name": "cut"},
    )
    exchange = an_exchange(faults=faults)
    seen: list[datetime] = []
    with exchange.hub.listen("time") as times:
        exchange.advance(closed(1))
        while not times.empty():
            seen.append(times.get_nowait()[1])
    assert NOW in seen
    assert [row.at for row in faults.log][:2] == [NOW, NOW]
    assert [row.rule for row in faults.log if "refused" not in row.action] == ["r", "cut"]


def test_going_event_by_event_a_rule_waits_for_its_time() -> None:
    faults = armed(a_rule("disconnect", at=NOW.isoformat()))
    exchange = an_exchange(faults=faults)
    exchange.advance(closed(1), exchange.market.position + 1)
    assert exchange.market.now < NOW
    assert not faults.log
    exchange.advance(closed(1))
    assert [row.at for row in faults.log] == [NOW]


EDITS: Sequence[tuple[Edit, object, object]] = [
    (Edit(Change.SET, "status", "frozen"), {"status": "new"}, {"status": "frozen"}),
    (Edit(Change.SET, "order.status", None), {"order": {}}, {"order": {"status": None}}),
    (Edit(Change.SET, "a", 1), [{"a": 0}, {"b": 0}], [{"a": 1}, {"b": 0, "a": 1}]),
    (Edit(Change.ADD, "pattern_day_trader", value=False), {}, {"pattern_day_trader": False}),
    (Edit(Change.ADD, "a", 1), {"a": 0}, {"a": 0}),
    (Edit(Change.REMOVE, "a"), {"a": 0, "b": 1}, {"b": 1}),
    (Edit(Change.REMOVE, "a"), {"b": 1}, {"b": 1}),
    (Edit(Change.SET, "*.p", 0), {"X": {"p": 1}, "Y": {"p": 2}}, {"X": {"p": 0}, "Y": {"p": 0}}),
    (Edit(Change.REMOVE, "legs.*.id"), {"legs": [{"id": 1}, {}]}, {"legs": [{}, {}]}),
    (Edit(Change.REMOVE, "legs.id"), {"legs": [{"id": 1}, 7]}, {"legs": [{}, 7]}),
    (Edit(Change.SET, "a.b", 1), {"a": 7}, {"a": 7}),
    (Edit(Change.SET, "a", 1), "text", "text"),
]


@pytest.mark.parametrize(("edit", "body", "expected"), EDITS)
def test_a_field_is_added_set_or_removed(edit: Edit, body: Any, expected: object) -> None:
    assert edited(body, edit) == expected


def test_a_twist_belongs_to_the_order_that_is_submitted() -> None:
    rule = read_rule({"name": "r", "match": {"symbol": "AAA"}, "action": "late_reject"})
    assert rule.match.route == "POST /v2/orders"
    assert rule.action == Twist("reject", "rejected by the venue")
    told = read_rule({"name": "r", "action": {"do": "late_reject", "reason": "no borrow"}})
    assert told.action == Twist("reject", "no borrow")
    assert read_rule({"name": "r", "action": "hold_fill"}).action == Twist("hold")


@pytest.mark.parametrize("word", sorted(KINDS))
def test_every_word_can_be_written(word: str) -> None:
    kind = KINDS[word]
    values: dict[str, object] = {
        "seconds": 1,
        "status": 503,
        "code": 406,
        "message": "m",
        "field": "f",
        "symbol": "AAA",
    }
    arguments = {name: values.get(name, "x") for name in kind.required}
    phase = min(kind.phases)
    where = {
        Phase.REQUEST: {"route": "POST /v2/orders"},
        Phase.HANDSHAKE: {"stream": "*"},
        Phase.MESSAGE: {"stream": "*"},
        Phase.TIME: {"at": "2024-01-03T15:00Z"},
    }[phase]
    if phase is Phase.HANDSHAKE and word == "disconnect":
        arguments["seconds"] = 1
    rule = read_rule({"name": "r", "match": where, "action": {"do": word, **arguments}})
    assert rule.phase is phase


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Callable[[], Faults]]:
    """What the folder holds; none is closed before the end, as when processes are killed."""
    opened: list[Faults] = []

    def keep() -> Faults:
        opened.append(Faults())
        opened[-1].keep(tmp_path)
        return opened[-1]

    yield keep
    for faults in opened:
        faults.close()


def rules_of(faults: Faults) -> list[Any]:
    rules = faults.standing()["rules"]
    assert isinstance(rules, list)
    return rules


def test_rules_and_their_counts_go_on_where_they_stood(kept: Callable[[], Faults]) -> None:
    rules = [
        {**a_rule(nth=7), "name": "seventh"},
        {**a_rule(every=3, count=2), "name": "two of them"},
        {**a_rule(probability=0.4), "name": "chance"},
        {**a_rule("rotate_keys", at="2024-01-03T15:00:00Z"), "name": "once"},
    ]
    script = read_script({"rule": rules, "seed": 11})
    whole = Faults()
    whole.apply(script)
    broken = kept()
    broken.apply(script)
    assert [rule.name for rule in broken.due(NOW)] == [rule.name for rule in whole.due(NOW)]
    for _ in range(20):
        broken = kept()
        struck = [rule.name for rule in broken.strikes(an_order(), NOW)]
        assert struck == [rule.name for rule in whole.strikes(an_order(), NOW)]
        assert not broken.due(NOW)
        assert broken.standing() == {**whole.standing(), "injected": len(struck)}


def test_random_faults_draw_on_after_a_restart(kept: Callable[[], Faults]) -> None:
    whole, broken = Faults(), kept()
    for faults in (whole, broken):
        faults.shake(7, {"drop_before": 0.5, "truncate": {"probability": 0.3, "keep": 3}})
    wanted = [pattern(whole, [an_order()]) for _ in range(30)]
    assert [pattern(kept(), [an_order()]) for _ in range(30)] == wanted


def test_what_was_cleared_stays_cleared(kept: Callable[[], Faults]) -> None:
    faults = kept()
    faults.apply(read_script({"rule": [a_rule(), {**a_rule(), "name": "other"}]}))
    faults.clear("other")
    assert [rule["name"] for rule in rules_of(kept())] == ["r"]
    kept().clear()
    assert not kept().active


def test_a_long_list_of_counts_is_written_anew(tmp_path: Path, kept: Callable[[], Faults]) -> None:
    faults = kept()
    faults.apply(read_script({"rule": [a_rule()]}))
    for _ in range(10_001):
        faults.strikes(an_order(), NOW)
    assert len((tmp_path / "faults.jsonl").read_bytes().splitlines()) == 1
    faults.strikes(an_order(), NOW)
    assert [rule["seen"] for rule in rules_of(kept())] == [10_002]


def test_a_torn_last_count_is_dropped_and_nonsense_is_named(
    tmp_path: Path, kept: Callable[[], Faults]
) -> None:
    faults = kept()
    faults.apply(read_script({"rule": [a_rule(nth=2)]}))
    faults.strikes(an_order(), NOW)
    path = tmp_path / "faults.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b'["r",9')
    assert pattern(kept(), [an_order()]) == [True]
    path.write_bytes(whole + b"nonsense\n")
    with pytest.raises(QualityFailure, match=r"faults\.jsonl:3.*exchange reset"):
        kept()

"""The exchange held against the vendor's own documents, over every path that it serves.

Requests that the documents allow and requests that they forbid are sent over real HTTP: none may
be answered with a 500, and each answer must have the form that the documents give it. They do not
say how most refusals look; those must have the vendor's code and message.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, Final

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
)

from tests.contracts.exchange_ground import FRIDAY, KEYS, MONDAY, Ground, an_exchange, at, ground
from tests.services.vendor import (
    LeftOut,
    Operation,
    document,
    implemented,
    left_out,
    narrowed,
    operations,
)
from tests.unit.exchange.builders import KEY, SECRET
from tradewright.exchange.app import create_app

EXAMPLES: Final = 25
NOBODY: Final = "00000000-0000-4000-8000-000000000000"
REFUSALS: Final = {400, 403, 404, 422}
CHECKS: Final = (not_a_server_error, response_schema_conformance, content_type_conformance)
MARKET: Final = {"symbol": "AAA", "qty": "1", "side": "buy", "type": "market"}
DAY: Final = {"start": "2020-03-06T14:30:00Z", "end": "2020-03-06T14:40:00Z"}
TWO: Final = {"symbols": "AAA,BBB"}
APP: Final = create_app(an_exchange(), key=KEY, secret=SECRET)
TRADING: Final = implemented("trading-api", APP.routes)
DATA: Final = implemented("market-data-api", APP.routes)
BOTH: Final[list[tuple[str, Operation]]] = [
    *(("trading-api", one) for one in TRADING),
    *(("market-data-api", one) for one in DATA),
]


class Asked:
    """One request that must succeed: its path's parts, its query and its body."""

    def __init__(self, query: Mapping[str, Any] | None = None, **more: Any) -> None:
        self.query = dict(query or {})
        self.body = more.pop("body", None)
        self.parts: Mapping[str, str] = more


# In the order of asking, which is that of the day: orders before what comes of them.
GOOD: Final[Mapping[str, Asked]] = {
    "POST /v2/orders": Asked(body={**MARKET, "qty": "10", "time_in_force": "day"}),
    "GET /v2/account": Asked(),
    "GET /v2/account/configurations": Asked(),
    "PATCH /v2/account/configurations": Asked(body={"no_shorting": False}),
    "GET /v2/account/activities": Asked(),
    "GET /v2/account/activities/{activity_type}": Asked(activity_type="FILL"),
    "GET /v2/account/portfolio/history": Asked({"period": "1D", "timeframe": "5Min"}),
    "GET /v2/assets": Asked({"status": "active"}),
    "GET /v2/assets/{symbol_or_asset_id}": Asked(symbol_or_asset_id="AAA"),
    "GET /v2/calendar": Asked({"start": "2020-03-05", "end": "2020-03-09"}),
    "GET /v2/clock": Asked(),
    "GET /v2/orders": Asked({"status": "all", "nested": "true"}),
    "GET /v2/orders/{order_id}": Asked(order_id="filled"),
    "GET /v2/orders:by_client_order_id": Asked({"client_order_id": "mine"}),
    "PATCH /v2/orders/{order_id}": Asked(order_id="resting", body={"limit_price": "91"}),
    "DELETE /v2/orders/{order_id}": Asked(order_id="other"),
    "DELETE /v2/orders": Asked(),
    "GET /v2/positions": Asked(),
    "GET /v2/positions/{symbol_or_asset_id}": Asked(symbol_or_asset_id="AAA"),
    "DELETE /v2/positions/{symbol_or_asset_id}": Asked({"qty": "1"}, symbol_or_asset_id="AAA"),
    "DELETE /v2/positions": Asked({"cancel_orders": "true"}),
    "GET /v3/clock": Asked(),
    "GET /v3/calendar/{market}": Asked(market="NYSE"),
    **{
        f"GET /v2/stocks/{kind}": Asked({**TWO, **DAY, **frame})
        for kind, frame in (
            ("bars", {"timeframe": "5Min"}),
            ("quotes", {}),
            ("trades", {}),
            ("auctions", {}),
        )
    },
    **{
        f"GET /v2/stocks/{{symbol}}/{kind}": Asked({**DAY, **frame}, symbol="AAA")
        for kind, frame in (
            ("bars", {"timeframe": "1Min"}),
            ("quotes", {}),
            ("trades", {}),
            ("auctions", {}),
        )
    },
    **{f"GET /v2/stocks/{kind}/latest": Asked(TWO) for kind in ("bars", "quotes", "trades")},
    **{
        f"GET /v2/stocks/{{symbol}}/{kind}/latest": Asked(symbol="AAA")
        for kind in ("bars", "quotes", "trades")
    },
    "GET /v2/stocks/snapshots": Asked(TWO),
    "GET /v2/stocks/{symbol}/snapshot": Asked(symbol="AAA"),
    "GET /v2/stocks/meta/exchanges": Asked(),
    "GET /v2/stocks/meta/conditions/{ticktype}": Asked({"tape": "A"}, ticktype="trade"),
    "GET /v1/corporate-actions": Asked({**TWO, "start": "2020-03-01", "end": "2020-03-31"}),
}


@pytest.fixture(scope="module")
def market() -> Iterator[Ground]:
    """Monday noon, with orders, executions, a position, a dividend and a split behind it."""
    with ground() as served:
        served.advance(at(FRIDAY, "09:45"))
        yield served


@pytest.fixture(scope="module")
def ids(market: Ground) -> Mapping[str, str]:
    """The ids of what there is, by the words that the table above has for them."""
    filled = _order(market, qty="10", client_order_id="mine")
    market.advance(at(MONDAY, "12:00"))
    limit = {"type": "limit", "time_in_force": "gtc"}
    found = {
        "filled": filled,
        "resting": _order(market, **limit, limit_price="90"),
        "other": _order(market, **limit, limit_price="89"),
    }
    _order(market, **limit, limit_price="88")
    market.advance(market.now + timedelta(minutes=2))
    return found


def _order(market: Ground, **more: str) -> str:
    body = {**MARKET, "time_in_force": "day", **more}
    answer = market.http.post("/v2/orders", json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def test_what_is_left_out_stands_in_the_guide_with_a_reason() -> None:
    every = {one for name in ("trading-api", "market-data-api") for one in operations(name)}
    missing = every - set(TRADING) - set(DATA)
    rows = left_out()
    assert all(row.reason for row in rows)
    silent = sorted(str(one) for one in missing if not any(row.covers(one) for row in rows))
    assert not silent
    wrong = sorted(str(one) for one in every - missing if any(row.covers(one) for row in rows))
    assert not wrong
    idle = [row.patterns for row in rows if not any(row.covers(one) for one in missing)]
    assert not idle


def test_every_path_that_is_served_has_a_request_that_succeeds() -> None:
    assert {str(one) for _, one in BOTH} == set(GOOD)


def test_a_pattern_covers_its_paths_alone() -> None:
    row = LeftOut(("* /v2/watchlists*",), "why")
    assert row.covers(Operation("get", "/v2/watchlists/{watchlist_id}"))
    assert not row.covers(Operation("get", "/v2/orders"))


@functools.cache
def schema(name: str) -> Any:
    """A document as it is, to ask by hand."""
    return schemathesis.openapi.from_dict(dict(document(name)))


def check(name: str, case: Any, answer: Any) -> None:
    """Hold an answer to the document, or a refusal to the vendor's form."""
    case.validate_response(answer, checks=list(CHECKS))
    operation = document(name)["paths"][case.operation.path][case.method.lower()]
    if answer.status_code < 300:
        assert str(answer.status_code) in operation["responses"]
        return
    assert answer.status_code in REFUSALS
    body = answer.json()
    assert isinstance(body["message"], str)
    assert body["message"]
    if name == "trading-api":
        assert isinstance(body["code"], int)


def _by_day(pair: tuple[str, Operation]) -> int:
    asked = [*GOOD]
    return asked.index(str(pair[1])) if str(pair[1]) in GOOD else len(asked)


BY_DAY: Final[list[tuple[str, Operation]]] = sorted(BOTH, key=_by_day)


@pytest.mark.parametrize(("name", "operation"), BY_DAY, ids=str)
def test_a_good_request_is_answered_as_documented(
    market: Ground, ids: Mapping[str, str], name: str, operation: Operation
) -> None:
    asked = GOOD[str(operation)]
    case = schema(name)[operation.path][operation.method.upper()].Case(
        path_parameters={part: ids.get(value, value) for part, value in asked.parts.items()},
        query=asked.query,
        **({"body": asked.body, "media_type": "application/json"} if asked.body else {}),
    )
    answer = case.call(base_url=market.url, headers=KEYS)
    assert answer.status_code < 300, answer.text
    check(name, case, answer)
    if answer.status_code != 204:
        assert answer.json() not in ([], {})


@pytest.fixture(scope="module")
def narrow(ids: Mapping[str, str]) -> Mapping[str, Any]:
    """The documents with values that get past the door."""
    some = ["AAA", "BBB", "ZZZ", "aaa", "A%20B"]
    times = ["2020-03-06T14:30:00Z", "2020-03-06", "2020-03-09T09:30:00-04:00", "soon"]
    orders = [*ids.values(), NOBODY, "no"]
    prices = ["90", "150.25", "0.01", "99.999", "0", "-1", "1e5", "NaN"]
    sizes = ["1", "10", "0.5", "0", "-1", "1000000000", "0.1234567891", "Infinity"]
    known: dict[str, list[Any]] = {
        **dict.fromkeys(("symbol", "symbol_or_asset_id"), some),
        "symbols": ["AAA", "AAA,BBB", "ZZZ", ",", ""],
        **dict.fromkeys(("order_id", "after_order_id", "before_order_id", "id"), orders),
        **dict.fromkeys(("start", "end", "after", "until", "date", "since"), times),
        **dict.fromkeys(("limit_price", "stop_price", "trail", "trail_price"), prices),
        **dict.fromkeys(("qty", "notional", "percentage", "trail_percent"), sizes),
        "client_order_id": ["mine", "no", "", "x" * 129],
        "timeframe": ["1Min", "5Min", "1H", "1Hour", "1D", "1Day", "1Week", "7Min", "x"],
        "period": ["1D", "1W", "1M", "1A", "0D", "D"],
        "activity_type": ["FILL", "DIV", "SPLIT", "FEE", "XXX"],
        "activity_types": ["FILL", "FILL,DIV", "XXX", ""],
        "types": ["cash_dividend", "forward_split,cash_dividend", "xxx"],
        "page_token": ["", "no", "QUFB"],
        "market": ["NYSE", "XNYS", "no"],
    }
    return {
        name: schemathesis.openapi.from_dict(narrowed(document(name), known))
        for name in ("trading-api", "market-data-api")
    }


def asks_for_something(name: str, operation: Operation) -> bool:
    """Say whether a request has anything that could be wrong."""
    path = document(name)["paths"][operation.path]
    described = path[operation.method]
    return any((path.get("parameters"), described.get("parameters"), "requestBody" in described))


@pytest.mark.parametrize(("name", "operation"), BOTH, ids=str)
def test_a_request_that_is_allowed_is_answered_as_documented(
    market: Ground, narrow: Mapping[str, Any], name: str, operation: Operation
) -> None:
    ask(market, narrow[name], name, operation, GenerationMode.POSITIVE)


@pytest.mark.parametrize(
    ("name", "operation"), [pair for pair in BOTH if asks_for_something(*pair)], ids=str
)
def test_a_request_that_is_forbidden_is_answered_as_documented(
    market: Ground, narrow: Mapping[str, Any], name: str, operation: Operation
) -> None:
    ask(market, narrow[name], name, operation, GenerationMode.NEGATIVE)


def test_the_check_can_fail(market: Ground) -> None:
    made = copy.deepcopy(dict(document("trading-api")))
    made["components"]["schemas"]["Account"]["properties"]["currency"] = {"type": "integer"}
    case = schemathesis.openapi.from_dict(made)["/v2/account"]["GET"].Case()
    answer = case.call(base_url=market.url, headers=KEYS)
    with pytest.raises(FailureGroup, match="is not of type"):
        check("trading-api", case, answer)


def ask(market: Ground, asked: Any, name: str, operation: Operation, mode: GenerationMode) -> None:
    """Send some requests of a kind, the same ones in every run."""
    described = asked[operation.path][operation.method.upper()]

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=described.as_strategy(generation_mode=mode))
    def send(case: Any) -> None:
        check(name, case, case.call(base_url=market.url, headers=KEYS, session=session))

    with requests.Session() as session:
        send()

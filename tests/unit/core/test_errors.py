"""An error says what, where and how to mend it, and keeps the objects it was made of."""

from __future__ import annotations

import pytest

from tradewright.core import errors
from tradewright.core.errors import (
    ConfigError,
    ConflictError,
    DataError,
    DuplicateOrder,
    InvalidInput,
    InvalidTransition,
    LedgerError,
    MissingData,
    OrderError,
    RateLimited,
    SafetyError,
    TradewrightError,
    UnknownName,
    VenueError,
    VenueRejected,
    VenueUnavailable,
    WorkError,
)

SAID: list[tuple[TradewrightError, str]] = [
    (ConfigError("port 80 is taken"), "port 80 is taken"),
    (ConfigError("port 80 is taken", "choose another"), "port 80 is taken; choose another"),
    (InvalidInput("limit", "x", "is not a number"), "limit: 'x' is not a number"),
    (InvalidInput("limit", 0, "must be > 0", "raise it"), "limit: 0 must be > 0; raise it"),
    (MissingData("frame", "has no row"), "frame: has no row"),
    (MissingData("frame", "has no row", "load more"), "frame: has no row; load more"),
    (
        InvalidTransition("order-1", "filled", "submitted"),
        "order order-1: submitted cannot follow status filled",
    ),
    (DuplicateOrder("order-1", "side"), "order order-1 exists with other content: side"),
    (ConflictError("order-1", 3, None), "order-1: expected version 3, found None"),
    (LedgerError("books differ"), "books differ"),
    (VenueUnavailable("alpaca", "timed out"), "alpaca: timed out"),
    (RateLimited("alpaca", 1.5), "alpaca: rate limited, retry after 1.5 s"),
    (VenueRejected("alpaca", "403", "no"), "alpaca: refused (403): no"),
    (SafetyError("switch unread"), "switch unread"),
    (WorkError("local workers", "piece 3 broke"), "local workers: piece 3 broke"),
    (
        UnknownName("strategy", "b", ["z", "a"]),
        "strategy: 'b' is not known; choose one of: a, z",
    ),
    (UnknownName("strategy", "b", []), "strategy: 'b' is not known; choose one of: none"),
]


@pytest.mark.parametrize(("error", "said"), SAID, ids=[said for _, said in SAID])
def test_an_error_composes_its_sentence_and_keeps_its_objects(
    error: TradewrightError, said: str
) -> None:
    assert str(error) == said
    assert vars(error)


def test_a_long_list_of_names_is_cut() -> None:
    error = UnknownName("symbol", "x", [f"{number:03}" for number in range(500)])
    assert str(error).endswith("018, 019")
    assert len(error.known) == 500


def test_what_to_retry_is_told_by_the_branch() -> None:
    assert RateLimited("alpaca", 2.0).retry_after == 2.0
    assert issubclass(VenueUnavailable, VenueError)
    assert issubclass(RateLimited, VenueError)
    assert not issubclass(VenueRejected, VenueUnavailable | RateLimited)


def test_bad_input_is_a_value_error_to_the_outside() -> None:
    assert issubclass(InvalidInput, ValueError)
    assert issubclass(UnknownName, InvalidInput)


def test_every_error_stands_under_the_root_and_in_the_tree_at_the_top() -> None:
    tree = errors.__doc__ or ""
    named = [e for e in vars(errors).values() if isinstance(e, type)]
    assert all(issubclass(error, TradewrightError) for error in named)
    missing = {e.__name__ for e in named if e.__name__ not in tree}
    assert missing == {"UnknownName"}
    assert issubclass(MissingData, DataError)
    assert issubclass(DuplicateOrder, OrderError)

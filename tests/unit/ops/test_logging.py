"""One JSON line for each thing that happened, with the schema's fields and without secrets."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.builders import an_order
from tradewright.core import events
from tradewright.core.decisions import Refusal, RefusalCode
from tradewright.core.errors import ConfigError, UnknownName
from tradewright.ops import metrics
from tradewright.ops.logging import JsonLines, configure_logging, logger
from tradewright.ops.redaction import MASK, Redactor
from tradewright.ops.tracing import begin, bound
from tradewright.ops.trading.lines import _LINES, log_event

AT = datetime(2026, 3, 4, 14, 30, tzinfo=UTC)
SCHEMA = [
    *("timestamp", "level", "message", "service"),
    *("trace_id", "request_id", "strategy_id", "client_order_id", "log_schema_version"),
]
SECRET = "a-planted-secret-77"


class Lines:
    """What was logged since."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    def __call__(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    def one(self) -> dict[str, Any]:
        (line,) = self()
        return line


@pytest.fixture
def lines() -> Iterator[Lines]:
    root = logging.getLogger()
    level = root.level
    found = Lines()
    configure_logging("gateway", "INFO", stream=found.stream, secrets=Redactor([SECRET]))
    yield found
    configure_logging("gateway", "INFO", stream=io.StringIO())
    root.setLevel(level)
    logging.captureWarnings(capture=False)


def test_every_line_has_the_fields_of_the_schema(lines: Lines) -> None:
    logger("a.b").info("hello", number=1)
    logging.getLogger("library").warning("said %s", "this")
    for line in lines():
        assert list(line)[: len(SCHEMA)] == SCHEMA
        assert line["log_schema_version"] == "1.0"
        assert line["service"] == "gateway"
        assert datetime.fromisoformat(line["timestamp"]).tzinfo is not None
    ours, theirs = lines()
    assert (ours["level"], ours["message"], ours["number"]) == ("INFO", "hello", 1)
    assert (theirs["message"], theirs["logger"]) == ("said this", "library")
    assert ours["trace_id"] is None


def test_arguments_are_put_into_the_message(lines: Lines) -> None:
    logger().info("%s of %d", "one", 2)
    logger().info("100% sure")
    assert [line["message"] for line in lines()] == ["one of 2", "100% sure"]


def test_the_time_is_the_records_own(lines: Lines) -> None:
    record = logging.LogRecord("a", logging.INFO, "f.py", 1, "late", None, None)
    record.created = AT.timestamp()
    logging.getLogger().handle(record)
    assert lines.one()["timestamp"] == AT.isoformat(timespec="microseconds")


def test_ids_of_the_request_are_on_the_line(lines: Lines) -> None:
    with begin({"x-request-id": "r-1"}, lambda: "a" * 32), bound(strategy_id="alpha"):
        logger().info("within", client_order_id="o-1")
    line = lines.one()
    assert (line["trace_id"], line["request_id"]) == ("a" * 32, "r-1")
    assert (line["strategy_id"], line["client_order_id"]) == ("alpha", "o-1")


def test_a_field_does_not_displace_the_schemas(lines: Lines) -> None:
    logger().info("x", service="other", level="high", timestamp="never")
    line = lines.one()
    assert (line["service"], line["level"]) == ("gateway", "INFO")
    assert (line["service_"], line["level_"], line["timestamp_"]) == ("other", "high", "never")


def fail(error: Exception) -> None:
    raise error


def test_a_secret_passes_nowhere(lines: Lines) -> None:
    log = logger()
    log.info("message %s", SECRET)
    log.info("field", what=SECRET, **{SECRET: 1})
    log.info("inner", body={"a": [{"b": SECRET}]}, odd=ValueError(SECRET))
    logging.getLogger("x").info("argument %s %r", SECRET, [SECRET])
    logging.getLogger("x").info("extra", extra={"given": SECRET})
    try:
        fail(RuntimeError(f"within {SECRET}"))
    except RuntimeError:
        log.exception("failed")
        logging.getLogger("x").exception("failed too")
    try:
        try:
            fail(KeyError(SECRET))
        except KeyError:
            fail(ValueError("outer"))
    except ValueError:
        log.exception("chained")
    assert SECRET not in lines.stream.getvalue()
    assert len(lines()) == 8
    assert all(MASK in json.dumps(line) for line in lines())


def test_a_field_that_is_named_like_a_secret_is_hidden(lines: Lines) -> None:
    logger().info("login", password="short", attempts=3)
    line = lines.one()
    assert (line["password"], line["attempts"]) == (MASK, 3)


def test_an_exception_is_one_line(lines: Lines) -> None:
    try:
        fail(ValueError("first\nsecond"))
    except ValueError:
        logger().exception("failed")
    line = lines.one()
    assert "ValueError: first\nsecond" in line["exception"]
    assert line["level"] == "ERROR"


def test_a_line_feed_in_a_message_starts_no_line(lines: Lines) -> None:
    logging.getLogger("x").info('a\n{"level":"forged"}')
    assert lines.one()["message"].startswith("a\n")


def test_what_cannot_be_written_is_told_of() -> None:
    before = metrics.log_failures._value.get()
    record = logging.LogRecord("x", logging.INFO, "f.py", 7, "%d apples", ("many",), None)
    line = json.loads(JsonLines("gateway", Redactor()).format(record))
    assert line["message"] == "a log line of x:7 could not be written"
    assert metrics.log_failures._value.get() == before + 1


def test_numbers_that_json_does_not_have_are_written_as_text(lines: Lines) -> None:
    logger().info("x", ratio=float("nan"), exact=Decimal("1.10"), at=AT)
    line = lines.one()
    assert (line["ratio"], line["exact"], line["at"]) == ("nan", "1.10", str(AT))


def test_the_level_is_kept_to(lines: Lines) -> None:
    logger().debug("quiet")
    logging.getLogger("x").debug("quiet")
    logging.getLogger("httpx").info("quiet")
    assert not lines()
    configure_logging("gateway", "ERROR", stream=lines.stream)
    logger().warning("quiet")
    logger().error("loud")
    assert [line["message"] for line in lines()] == ["loud"]


def test_configuring_again_writes_no_line_twice(lines: Lines) -> None:
    for _ in range(3):
        configure_logging("gateway", "INFO", stream=lines.stream)
    logger().info("once")
    logging.getLogger("somebody").info("once")
    assert len(lines()) == 2


def test_warnings_are_lines(lines: Lines) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("mind this", UserWarning, stacklevel=1)
        logging.captureWarnings(capture=False)
    assert "mind this" in lines.one()["message"]


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(UnknownName, match="LOG_LEVEL"):
        configure_logging("gateway", "LOUD")


def written_in(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def test_files_of_a_log_folder(lines: Lines, tmp_path: Path) -> None:
    configure_logging("gateway", stream=lines.stream, folder=tmp_path / "logs")
    logger().info("fine")
    logger().warning("mind")
    written = {
        name: [json.loads(line)["message"] for line in written_in(tmp_path / "logs" / name)]
        for name in ("trading.log", "system.log")
    }
    assert written == {"trading.log": ["fine", "mind"], "system.log": ["mind"]}


def test_a_log_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "logs").touch()
    with pytest.raises(ConfigError, match="cannot be written"):
        configure_logging("gateway", folder=tmp_path / "logs")


ORDER = an_order()


def test_a_submitted_order_tells_what_was_asked(lines: Lines) -> None:
    log_event(events.Submitted(ORDER.id, AT), ORDER)
    line = lines.one()
    assert line["message"] == "ORDER_SUBMITTED"
    assert line["client_order_id"] == ORDER.id
    assert line["strategy_id"] == ORDER.strategy
    assert line["symbol"] == ORDER.instrument
    assert line["order_quantity"] == str(ORDER.quantity)
    assert (line["side"], line["order_type"]) == (ORDER.side, ORDER.kind)
    assert line["at"] == AT.isoformat()


def test_a_refusal_tells_why(lines: Lines) -> None:
    log_event(Refusal(ORDER, RefusalCode.ORDER_SIZE, AT, {"limit": Decimal("1.50")}))
    line = lines.one()
    assert (line["message"], line["level"], line["code"]) == (
        "ORDER_REFUSED",
        "WARNING",
        "order_size",
    )
    assert line["context"] == {"limit": "1.50"}
    assert line["client_order_id"] == ORDER.id


def test_an_alert_is_an_error(lines: Lines) -> None:
    log_event(events.Alert("late_fill", "a fill came late", AT))
    line = lines.one()
    assert (line["message"], line["level"], line["code"]) == ("ALERT", "ERROR", "late_fill")
    assert line["message_"] == "a fill came late"


def test_a_timer_makes_no_line(lines: Lines) -> None:
    log_event(events.TimerFired("t", AT))
    assert not lines()


def test_every_event_of_an_order_has_a_line() -> None:
    assert set(events.OrderEvent.__args__) <= set(_LINES)
    assert set(events.BookEvent.__args__) <= set(_LINES)

"""Log lines by a thread: all are written, in order, and a stuck disk holds up nobody."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Iterator
from logging.handlers import RotatingFileHandler
from pathlib import Path

import pytest

from tradewright.ops import metrics
from tradewright.ops.line_writer import LineWriter
from tradewright.ops.logging import configure_logging


def a_record(text: str, level: int = logging.INFO) -> logging.LogRecord:
    return logging.makeLogRecord({"msg": text, "levelno": level, "levelname": "X"})


def test_closing_writes_every_line_in_order() -> None:
    stream = io.StringIO()
    writer = LineWriter(logging.StreamHandler(stream))
    for number in range(1000):
        writer.handle(a_record(f"line {number}"))
    writer.close()
    assert stream.getvalue().splitlines() == [f"line {number}" for number in range(1000)]


def test_lines_are_written_soon_without_being_asked() -> None:
    written = threading.Event()

    class Told(io.StringIO):
        def write(self, text: str) -> int:
            written.set()
            return super().write(text)

    writer = LineWriter(logging.StreamHandler(Told()))
    writer.handle(a_record("hello"))
    assert written.wait(5)
    writer.close()


def test_each_outlet_keeps_its_least_level(tmp_path: Path) -> None:
    outlet = RotatingFileHandler(tmp_path / "system.log", encoding="utf-8")
    outlet.setLevel(logging.WARNING)
    writer = LineWriter(outlet)
    log = logging.getLogger("tests.line_writer")
    log.setLevel(logging.INFO)
    log.addHandler(writer)
    log.info("small")
    log.warning("large")
    log.removeHandler(writer)
    writer.close()
    assert (tmp_path / "system.log").read_text(encoding="utf-8") == "large\n"


def test_a_stuck_outlet_holds_up_nobody_and_the_oldest_lines_go() -> None:
    go, begun = threading.Event(), threading.Event()

    class Stuck(io.StringIO):
        def write(self, text: str) -> int:
            begun.set()
            go.wait(5)
            return super().write(text)

    stream = Stuck()
    writer = LineWriter(logging.StreamHandler(stream), most=3)
    writer.handle(a_record("first"))
    assert begun.wait(5)
    before = metrics.REGISTRY.get_sample_value("log_format_failures_total") or 0
    for number in range(5):
        writer.handle(a_record(str(number)))
    go.set()
    writer.close()
    assert stream.getvalue().split() == ["first", "2", "3", "4"]
    assert metrics.REGISTRY.get_sample_value("log_format_failures_total") == before + 2


@pytest.fixture
def plain_logging() -> Iterator[None]:
    yield
    root = logging.getLogger()
    for outlet in list(root.handlers):
        if isinstance(outlet, LineWriter):
            root.removeHandler(outlet)
            outlet.close()


@pytest.mark.usefixtures("plain_logging")
def test_lines_are_json_like_any_other() -> None:
    stream = io.StringIO()
    configure_logging("frame", stream=stream, threaded=True)
    logging.getLogger("tradewright.here").warning("said")
    configure_logging("frame", stream=io.StringIO(), threaded=True)
    (line,) = [json.loads(one) for one in stream.getvalue().splitlines()]
    assert (line["message"], line["service"]) == ("said", "frame")

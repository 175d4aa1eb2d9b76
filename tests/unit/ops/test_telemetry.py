"""Spans reach a collector over HTTP, as it reads them; without one nothing is loaded."""

from __future__ import annotations

import gzip
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tradewright.core.clock import ManualClock
from tradewright.ops.telemetry import exporting
from tradewright.ops.tracing import begin, ended, span

AT = datetime(2026, 3, 4, 14, 30, tzinfo=UTC)
TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Collector(HTTPServer):
    """Keeps what is posted to it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Receiving)
        self.got: list[tuple[str, ExportTraceServiceRequest]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Receiving(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        assert isinstance(self.server, Collector)
        self.server.got.append((self.path, ExportTraceServiceRequest.FromString(body)))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        assert format, args


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as found:
        thread = threading.Thread(target=found.serve_forever)
        thread.start()
        yield found
        found.shutdown()
        thread.join()


def test_spans_arrive_with_their_ids(collector: Collector) -> None:
    numbers = iter(f"{number:032x}" for number in (10**30, 10**31, 10**32, 10**33, 10**34))
    given = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
    with (
        exporting(collector.url, "gateway", "1.2") as export,
        begin(given, lambda: next(numbers)) as trace,
        ended("POST /orders", trace, export, clock=ManualClock(AT)),
        span("submit", lambda: next(numbers), export, clock=ManualClock(AT), symbol="AAPL"),
    ):
        pass
    ((path, request),) = collector.got
    assert path == "/v1/traces"
    (resource,) = request.resource_spans
    told = {one.key: one.value.string_value for one in resource.resource.attributes}
    assert (told["service.name"], told["service.version"]) == ("gateway", "1.2")
    inner, outer = (found for scope in resource.scope_spans for found in scope.spans)
    assert inner.trace_id.hex() == outer.trace_id.hex() == TRACE
    assert (outer.name, outer.parent_span_id.hex()) == ("POST /orders", CALLER)
    assert (inner.name, inner.parent_span_id) == ("submit", outer.span_id)
    assert outer.span_id.hex() == trace.span_id
    assert outer.start_time_unix_nano == round(AT.timestamp() * 1e9)


def test_without_an_endpoint_nothing_is_loaded() -> None:
    program = (
        "import sys\n"
        "from tradewright.ops.telemetry import exporting\n"
        "with exporting(None, 'gateway', '1') as export:\n"
        "    assert export is None\n"
        "assert not any(name.startswith('opentelemetry') for name in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)

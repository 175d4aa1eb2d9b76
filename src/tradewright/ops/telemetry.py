"""Spans to a collector by OTLP over HTTP, when one is configured; nothing is imported before.

Spans are sent by a thread of its own: a collector that is slow or gone costs spans, never requests.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from tradewright.core.errors import ConfigError
from tradewright.ops.tracing import Export, Span

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan

_TRACES: Final = "/v1/traces"
_FLUSH_MS: Final = 3_000


@contextmanager
def exporting(endpoint: str | None, service: str, version: str) -> Iterator[Export | None]:
    """Yield what takes spans to the collector at `endpoint`, None without one.

    Raises:
        ConfigError: An endpoint is given and the extra `telemetry` is not installed.
    """
    if not endpoint:
        yield None
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError as error:
        what = "OTEL_EXPORTER_OTLP_ENDPOINT is set but the OpenTelemetry libraries are not there"
        raise ConfigError(what, "install tradewright[telemetry], or unset it") from error
    address = endpoint.rstrip("/")
    address = address if address.endswith(_TRACES) else address + _TRACES
    resource = Resource.create({"service.name": service, "service.version": version})
    sender = BatchSpanProcessor(OTLPSpanExporter(endpoint=address))
    try:
        yield lambda span: sender.on_end(_readable(span, resource))
    finally:
        sender.force_flush(_FLUSH_MS)
        sender.shutdown()  # type: ignore[no-untyped-call]


def _readable(span: Span, resource: Resource) -> ReadableSpan:
    from opentelemetry.sdk.trace import ReadableSpan  # noqa: PLC0415
    from opentelemetry.trace import (  # noqa: PLC0415
        SpanContext,
        SpanKind,
        Status,
        StatusCode,
        TraceFlags,
    )

    flags = TraceFlags(TraceFlags.SAMPLED)
    trace_id = int(span.trace.trace_id, 16)

    def place(span_id: str, *, remote: bool) -> SpanContext:
        return SpanContext(trace_id, int(span_id, 16), is_remote=remote, trace_flags=flags)

    return ReadableSpan(
        name=span.name,
        context=place(span.trace.span_id, remote=False),
        parent=place(span.trace.parent_id, remote=True) if span.trace.parent_id else None,
        resource=resource,
        attributes=dict(span.attributes),
        kind=SpanKind.SERVER,
        status=Status(StatusCode.ERROR if span.failed else StatusCode.OK),
        start_time=span.started_ns,
        end_time=span.ended_ns,
    )

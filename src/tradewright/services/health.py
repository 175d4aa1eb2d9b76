"""How a service is: `/health`, `/ready`, `/metrics`, the reports of browsers, and its own schema.

`/health` answers 503 only when something critical is down; `/ready` also while it is degraded, so
that no load is sent where it would be refused. Both are public and tell no address and no value.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from tradewright import __version__
from tradewright.bootstrap.probes import pool_health, watch_clock
from tradewright.core.access import Permission
from tradewright.ops import metrics
from tradewright.ops.health import Check, Checks, LoopLag, NotWell, worst
from tradewright.ops.machine import MEGABYTE, WATCH_SECONDS, Machine, MachineLimits
from tradewright.ops.tasks import every
from tradewright.services.browser import REPORT_BYTES, REPORT_PATH, REPORT_TYPES, Reports
from tradewright.services.errors import Refused
from tradewright.services.proxies import is_within, networks, peer_of
from tradewright.services.security import GuardedRoute, needs, public
from tradewright.wire.health import (
    DiskHealth,
    ExecutorHealth,
    HealthResponse,
    HealthStatus,
    ReadyResponse,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import HTTPConnection

    from tradewright.bootstrap import Resources, Settings

POOL_SECONDS: Final = 5.0
CHECK_SECONDS: Final = 15.0
CLOCK_SECONDS: Final = 60.0
_UNREADY: Final = 503
_SECOND: Final = 1000.0


class Health:
    """How one service is: its checks, its loop, its machine, and since when it runs."""

    def __init__(self, service: str, resources: Resources, own: Sequence[Check]) -> None:
        """Look at the resources, at this process, and at what the service adds."""
        settings = resources.settings
        self.service = service
        self.lag = LoopLag()
        self.machine = Machine(settings.state_dir, machine_limits(settings))
        self.trusted = networks(settings.metrics_trusted_ips)
        self._resources = resources
        self._most_lag = 0.0
        self.adopt(settings)
        inside = (
            Check("disk", self.machine.disk),
            Check("memory", self.machine.memory),
            Check("open_files", self.machine.files),
            Check("event_loop", self._loop),
            Check("critical_tasks", self._critical_tasks, critical=True),
            Check("tasks", self._tasks),
        )
        self.checks = Checks((*resources.checks, *inside, *own), resources.clock)
        self._since = resources.clock.monotonic()

    def adopt(self, settings: Settings) -> None:
        """Warn, and show metrics, by these settings from now on."""
        self.machine.limit(machine_limits(settings))
        self.trusted = networks(settings.metrics_trusted_ips)
        self._most_lag = settings.loop_lag_warning_ms / _SECOND

    def start(self) -> None:
        """Measure the loop, and watch memory, the pool and the clock from now on."""
        self.lag.start()
        tasks = self._resources.tasks
        tasks.start("watch machine", every(WATCH_SECONDS, self.machine.relieve), stop_seconds=1)
        watch = partial(pool_health, self._resources.pool)
        tasks.start("watch pool", every(POOL_SECONDS, watch), stop_seconds=1)
        # Metrics of what it depends on must not wait for somebody to ask how it is.
        tasks.start("watch checks", every(CHECK_SECONDS, self.checks.look), stop_seconds=1)
        look = partial(watch_clock, self._resources.pool, self._resources.clock)
        tasks.start("watch clock", every(CLOCK_SECONDS, look), stop_seconds=1)

    def stop(self) -> None:
        """Measure no more."""
        self.lag.stop()

    async def now(self) -> HealthResponse:
        """Return how the service is."""
        found = await self.checks.found()
        resources = self._resources
        machine, threads = self.machine.facts(), resources.threads
        at: datetime = resources.clock.now()
        return HealthResponse(
            status=worst(one.status for one in found.values()),
            service=self.service,
            timestamp=at,
            version=__version__,
            uptime_seconds=round(resources.clock.monotonic() - self._since, 3),
            checks=dict(found),
            loop_lag_ms=self.lag.facts(),
            pools={"database": pool_health(resources.pool)},
            executor=ExecutorHealth(
                most=threads.most, active=threads.active, queued=threads.queued
            ),
            disk=DiskHealth(
                free_bytes=machine.free_disk_bytes, total_bytes=machine.total_disk_bytes
            ),
            memory_bytes=machine.memory_bytes,
            open_files=machine.open_files,
            tasks=dict(resources.tasks.running),
        )

    async def _loop(self) -> None:
        # A moment's delay is no illness: half a minute of it is.
        late = self.lag.sustained
        if late > self._most_lag:
            raise NotWell(f"runs {late * _SECOND:.0f} ms late")

    async def _critical_tasks(self) -> None:
        _fine([one.name for one in self._resources.tasks.failed if one.critical])

    async def _tasks(self) -> None:
        _fine([one.name for one in self._resources.tasks.failed if not one.critical])


def machine_limits(settings: Settings) -> MachineLimits:
    """Return when a process of these settings warns."""
    return MachineLimits(
        memory_bytes=settings.memory_warning_mb * MEGABYTE,
        memory_critical_bytes=settings.memory_critical_mb * MEGABYTE,
        open_files=settings.open_files_warning,
        free_disk_bytes=settings.free_disk_warning_mb * MEGABYTE,
    )


def _fine(failed: Sequence[str]) -> None:
    if failed:
        raise NotWell(f"failed: {', '.join(failed)}")


def _of(connection: HTTPConnection) -> Health:
    found: Health = connection.app.state.health
    return found


def _is_trusted(connection: HTTPConnection) -> bool:
    # The peer of the socket: a client behind a proxy is not trusted for the proxy's sake, and a
    # proxy on this machine is known by what it adds alone.
    if any(name in _FORWARDING for name, _ in connection.scope["headers"]):
        return False
    return is_within(peer_of(connection.scope), _of(connection).trusted)


_FORWARDING: Final = frozenset(
    {b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip", b"via"}
)
router = APIRouter(route_class=GuardedRoute, tags=["service"])


@router.get(
    "/health",
    dependencies=[public("whoever watches the service has no token when it is ill")],
    response_model=HealthResponse,
    responses={_UNREADY: {"model": HealthResponse}},
)
async def health(request: Request) -> Response:
    """Say how the service is; 503 when something critical is down."""
    found = await _of(request).now()
    status = _UNREADY if found.status is HealthStatus.UNHEALTHY else 200
    return JSONResponse(found.model_dump(mode="json", exclude_none=True), status)


@router.get(
    "/ready",
    dependencies=[public("a load balancer asks before it sends anyone")],
    response_model=ReadyResponse,
    responses={_UNREADY: {"model": ReadyResponse}},
)
async def ready(request: Request) -> Response:
    """Say whether the service wants requests; 503 while it is degraded or about to stop."""
    state = _of(request)
    found = await state.checks.found()
    amiss = [name for name, one in found.items() if one.status is not HealthStatus.HEALTHY]
    body = ReadyResponse(
        ready=not amiss,
        status=worst(one.status for one in found.values()),
        service=state.service,
        waiting_for=amiss,
    )
    return JSONResponse(body.model_dump(mode="json"), 200 if body.ready else _UNREADY)


@router.get(
    "/metrics",
    dependencies=[needs(Permission.VIEW_METRICS, exempt=_is_trusted)],
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def read_metrics(_request: Request) -> Response:
    """Return the metrics as Prometheus reads them."""
    return Response(metrics.render(), headers={"Content-Type": metrics.CONTENT_TYPE})


@router.post(
    REPORT_PATH,
    dependencies=[public("browsers report without credentials; reports are capped and cut down")],
    status_code=204,
    response_class=Response,
    openapi_extra={
        "requestBody": {
            "content": {kind: {"schema": {}} for kind in REPORT_TYPES},
        }
    },
)
async def report(request: Request) -> Response:
    """Take a browser's report of a violation of the content security policy."""
    content = await request.body()
    if len(content) > REPORT_BYTES:
        raise Refused(413, f"A report has at most {REPORT_BYTES} bytes.")
    reports: Reports = request.app.state.reports
    reports.take(content)
    return Response(status_code=204)


@router.get("/openapi.json", dependencies=[needs(Permission.VIEW)], response_model=dict[str, Any])
async def schema(request: Request) -> Response:
    """Return the OpenAPI document of this service."""
    return JSONResponse(request.app.openapi())

"""How a service says how it is: the bodies of `/health` and `/ready`.

`degraded` means that it serves and something is amiss, so it answers 200: a service that is
restarted for it would not be better. Times are seconds or milliseconds, as the names say.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, Field


class HealthStatus(StrEnum):
    """How something is, best first."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


class CheckHealth(BaseModel):
    """What a look at one dependency found."""

    status: HealthStatus
    response_ms: float = Field(ge=0, description="How long the look took.")
    error: str | None = Field(None, description="What is wrong, when something is.")


class PoolHealth(BaseModel):
    """The pool of database connections."""

    size: int = Field(description="Connections that are open.")
    idle: int = Field(description="Open connections that nobody uses.")
    most: int = Field(description="Connections at most.")
    waiting: int = Field(description="Requests that wait for a connection.")


class ExecutorHealth(BaseModel):
    """The worker threads."""

    most: int = Field(description="Threads at most.")
    active: int = Field(description="Threads at work.")
    queued: int = Field(description="Calls that wait for a thread.")


class LoopHealth(BaseModel):
    """How late the event loop was in the last minute, in milliseconds."""

    last: float
    p99: float
    worst: float


class DiskHealth(BaseModel):
    """The disk of the state folder."""

    free_bytes: int
    total_bytes: int


class HealthResponse(BaseModel):
    """How a service is."""

    status: HealthStatus
    service: str
    timestamp: datetime
    version: str
    uptime_seconds: float
    checks: dict[str, CheckHealth]
    loop_lag_ms: LoopHealth
    pools: dict[str, PoolHealth]
    executor: ExecutorHealth
    disk: DiskHealth
    memory_bytes: int = Field(description="Memory that the process holds.")
    open_files: int = Field(description="Files and sockets that the process holds open.")
    tasks: dict[str, int] = Field(description="Owned tasks that run, by group.")


class ReadyResponse(BaseModel):
    """Whether a service wants requests."""

    ready: bool
    status: HealthStatus
    service: str
    waiting_for: list[str] = Field(description="What is not as it must be.")

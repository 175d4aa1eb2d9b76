"""Clients of our own services, wired: they sign by the store of secrets and carry the trace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradewright.bootstrap.secrets import random_id, secret_store
from tradewright.client import ServiceClient, Terms
from tradewright.core.clock import SystemClock
from tradewright.ops.tracing import outgoing_headers

if TYPE_CHECKING:
    import httpx

    from tradewright.bootstrap.services import Resources
    from tradewright.configuration import Settings


def own_client(
    settings: Settings, base_url: str, transport: httpx.AsyncBaseTransport | None = None
) -> ServiceClient:
    """Return a client that calls a service as the command line, by its own secret; close it."""
    return ServiceClient(
        base_url, "cli", secret_store(settings), SystemClock(), random_id, transport=transport
    )


def service_client(
    resources: Resources, service: str, base_url: str, *, deadline_seconds: float = 10.0
) -> ServiceClient:
    """Return a client of the service at `base_url`, which calls it as `service`; close it."""
    return ServiceClient(
        base_url,
        service,
        resources.secrets,
        resources.clock,
        resources.ids,
        terms=Terms(deadline_seconds=deadline_seconds, carried=outgoing_headers),
    )

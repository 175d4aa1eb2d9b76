"""Clients of our own services, wired: they sign by the store of secrets and carry the trace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradewright.client import ServiceClient, Terms
from tradewright.ops.tracing import outgoing_headers

if TYPE_CHECKING:
    from tradewright.bootstrap.services import Resources


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

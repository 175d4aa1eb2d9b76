"""Every service by name, each loaded when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tradewright.core.errors import UnknownName

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tradewright.services.app import ServiceSpec


def _auth() -> ServiceSpec:
    from tradewright.services import auth

    return auth.spec()


CATALOG: Final[Mapping[str, Callable[[], ServiceSpec]]] = {"auth": _auth}
"""What makes each service, by its name."""

PORTS: Final[Mapping[str, int]] = {"auth": 8005}
"""Where each service listens unless told."""


def service_spec(name: str) -> ServiceSpec:
    """Return the service of a name.

    Raises:
        UnknownName: There is none.
    """
    if name not in CATALOG:
        raise UnknownName("service", name, list(CATALOG))
    return CATALOG[name]()

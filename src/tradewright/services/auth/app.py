"""The auth service: port 8005, its routes, and what its procedures stand on."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from tradewright.bootstrap import identity_provider
from tradewright.services.app import ServiceSpec
from tradewright.services.auth import login_routes, own_routes, user_routes
from tradewright.services.auth.answers import AuthRooms
from tradewright.services.auth.desk import LoginDesk
from tradewright.services.auth.federation import Federation
from tradewright.services.auth.ground import Ground, Terms
from tradewright.services.auth.own import OwnAccount
from tradewright.services.auth.passwords import Passwords
from tradewright.services.auth.register import Register
from tradewright.services.auth.second_factor import Seal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tradewright.bootstrap import Resources

NAME: Final = "auth"
PORT: Final = 8005


def spec() -> ServiceSpec:
    """Return what makes the auth service."""
    return ServiceSpec(
        name=NAME,
        title="Tradewright auth service",
        port=PORT,
        routers=(login_routes.router, own_routes.router, user_routes.router),
        lifespan=_lifespan,
        secrets=("JWT_SIGNING_KEY", "SESSION_ENCRYPTION_KEY"),
    )


def rooms_of(resources: Resources) -> AuthRooms:
    """Return the procedures over what a service works with."""
    ground = ground_of(resources)
    desk = LoginDesk(ground)
    provider = identity_provider(resources)
    return AuthRooms(
        ground=ground,
        desk=desk,
        own=OwnAccount(ground, desk),
        register=Register(ground),
        federation=Federation(ground, desk, provider),
        settings=resources.settings,
    )


def ground_of(resources: Resources) -> Ground:
    """Return what the procedures stand on."""
    ids = resources.ids

    def random(count: int) -> bytes:
        return bytes.fromhex("".join(ids() for _ in range(-(-count // 16))))[:count]

    return Ground(
        users=resources.users,
        sessions=resources.sessions,
        tickets=resources.tickets,
        signer=resources.signer,
        audit=resources.audit,
        clock=resources.clock,
        random=random,
        passwords=Passwords(resources.threads),
        seal=Seal(resources.secrets, random),
        terms=Terms.of(resources.settings),
    )


@asynccontextmanager
async def _lifespan(resources: Resources) -> AsyncIterator[AuthRooms]:
    yield rooms_of(resources)

"""No route of any service without a door: each says, once, who may use it."""

from __future__ import annotations

import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from tradewright.bootstrap import Resources
from tradewright.core.access import SERVICE_PERMISSIONS, Permission
from tradewright.core.errors import ConfigError
from tradewright.services.app import ServiceSpec, make_app
from tradewright.services.catalog import CATALOG, PORTS, service_spec
from tradewright.services.limits import Limit, Limited, limit_of
from tradewright.services.security import GuardedRoute, doors_of, needs, public

UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
# Where a stranger may write, since to come in or to report is all that is done there.
OPEN_TO_WRITE = (
    "/csp-report",
    "/api/v1/auth/login",
    "/api/v1/auth/second-factor",
    "/api/v1/auth/refresh",
    "/api/v1/auth/setup",
)


def nothing() -> Resources:
    """Resources that are never opened, since nothing is started."""
    raise AssertionError


def routes_of(spec: ServiceSpec) -> list[APIRoute]:
    """The routes that an app of a service really has."""
    found: list[BaseRoute] = make_app(spec, nothing).routes  # type: ignore[arg-type]
    assert all(isinstance(route, APIRoute) for route in found)
    return [route for route in found if isinstance(route, APIRoute)]


ROUTES = [
    pytest.param(name, route, id=f"{name} {'/'.join(sorted(route.methods or ()))} {route.path}")
    for name in CATALOG
    for route in routes_of(service_spec(name))
]


@pytest.mark.parametrize(("name", "route"), ROUTES)
def test_route_has_one_door_and_reads_nothing_before_it(name: str, route: APIRoute) -> None:
    (door,) = doors_of(route.dependencies)
    assert isinstance(route, GuardedRoute), f"{name}: make the router with GuardedRoute"
    assert door.permission is None or isinstance(door.permission, Permission)
    assert bool(door.reason) == (door.permission is None), "an open door says why it is open"


@pytest.mark.parametrize(("name", "route"), ROUTES)
def test_a_stranger_writes_where_it_is_listed_alone(name: str, route: APIRoute) -> None:
    (door,) = doors_of(route.dependencies)
    if door.permission is None and UNSAFE.intersection(route.methods or ()):
        assert route.path in OPEN_TO_WRITE, name


@pytest.mark.parametrize(("name", "route"), ROUTES)
def test_what_is_costly_is_limited(name: str, route: APIRoute) -> None:
    (door,) = doors_of(route.dependencies)
    expected = {
        Permission.SUBMIT_ORDERS: Limit.ORDERS,
        Permission.GENERATE_SIGNALS: Limit.SIGNALS,
        Permission.FLATTEN: Limit.FLATTEN,
    }
    if door.permission in expected and UNSAFE.intersection(route.methods or ()):
        assert limit_of(route.dependencies) is expected[door.permission], name
    assert sum(isinstance(one.dependency, Limited) for one in route.dependencies) <= 1


def test_every_service_of_the_catalogue_has_a_port_and_may_call() -> None:
    assert set(PORTS) == set(CATALOG) <= set(SERVICE_PERMISSIONS)


@pytest.mark.parametrize(
    "marks",
    [[], [needs(Permission.VIEW), public("both")], [needs(Permission.VIEW)] * 2],
    ids=["none", "both", "twice"],
)
def test_an_app_without_its_marks_is_not_made(marks: list[object]) -> None:
    router = APIRouter(route_class=GuardedRoute)

    @router.get("/unmarked", dependencies=marks)  # type: ignore[arg-type]
    async def unmarked() -> dict[str, str]:
        return {}

    spec = ServiceSpec(name="auth", title="Any", port=1, routers=(router,))
    with pytest.raises(ConfigError, match="/unmarked"):
        make_app(spec, nothing)  # type: ignore[arg-type]

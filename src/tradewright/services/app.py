"""`make_app`: a service is its routes and its lifespan; everything else is added here.

Routes find what they work with by `Have` and what the service's own lifespan yields by `own_state`.
They have no `try`: an error becomes an answer by the table in `errors`. A route that does not say
who may use it keeps the service from being made.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Final, cast

from fastapi import APIRouter, Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, APIWebSocketRoute
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute

from tradewright import __version__
from tradewright.bootstrap import Resources, Settings, load_settings, unfit_secrets
from tradewright.core.errors import ConfigError, TradewrightError
from tradewright.ops.health import Check
from tradewright.ops.logging import logger
from tradewright.ops.telemetry import exporting
from tradewright.services import health, reload
from tradewright.services.browser import Reports
from tradewright.services.entrance import Entrance
from tradewright.services.errors import on_error, on_http_error, on_invalid
from tradewright.services.guards import EntrancePolicy
from tradewright.services.health import Health
from tradewright.services.reload import Reload
from tradewright.services.security import doors_of
from tradewright.wire.problem import PROBLEM_TYPE, Problem

_log: Final = logger(__name__)
_PROBLEM: Final = "#/components/schemas/Problem"
_UNUSED: Final = ("HTTPValidationError", "ValidationError")


def _never(_own: object) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """What makes a service: its routes, what it opens for them, and what it looks at besides.

    `lifespan` yields what `own_state` gives to routes; `checks` make the service's own checks;
    without its `secrets` it does not start. `is_trading` says, of what the lifespan yields, whether
    orders are or may be at work: then settings do not change.
    """

    name: str
    title: str
    port: int
    routers: tuple[APIRouter, ...] = ()
    lifespan: Callable[[Resources], AbstractAsyncContextManager[object]] | None = None
    checks: tuple[Callable[[Resources], Check], ...] = ()
    secrets: tuple[str, ...] = ()
    is_trading: Callable[[Any], bool] = _never


def make_app(
    spec: ServiceSpec,
    open_resources: Callable[[], AbstractAsyncContextManager[Resources]],
    *,
    read_settings: Callable[[], Settings] = load_settings,
) -> FastAPI:
    """Make the application of a service; `read_settings` gives them anew for a reload.

    Raises:
        ConfigError: A route does not say, once, who may use it.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as opened:
            resources = await opened.enter_async_context(open_resources())
            await _start(app, spec, resources, opened)
            app.state.reload = Reload(app, read_settings, spec.is_trading)
            _log.info("the service is up", version=__version__)
            yield
            _log.info("the service stops")
        _log.info("the service has stopped")

    app = FastAPI(
        title=spec.title,
        version=__version__,
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # Traces and metrics are the entrance's.
        telemetry={"tracing": False, "metrics": False},
        exception_handlers={
            TradewrightError: on_error,
            HTTPException: on_http_error,
            RequestValidationError: on_invalid,
        },
    )
    # The service's own come first, since they are asked for far more often.
    for router in (*spec.routers, health.router, reload.router):
        # Not by include_router, which hides routes from whoever looks at `app.routes`.
        app.router.routes.extend(router.routes)
    _refuse_unmarked(spec.name, app.routes)
    app.add_middleware(Entrance)
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]
    return app


async def _start(
    app: FastAPI, spec: ServiceSpec, resources: Resources, opened: AsyncExitStack
) -> None:
    settings = resources.settings
    _require(spec, resources)
    export = opened.enter_context(exporting(settings.otel_endpoint, spec.name, __version__))
    policy = EntrancePolicy.of(settings, spec.name, resources.clock, resources.ids, export)
    state = Health(spec.name, resources, [make(resources) for make in spec.checks])
    app.state.resources, app.state.policy = resources, policy
    app.state.health, app.state.reports = state, Reports(resources.clock)
    app.state.own = None
    if spec.lifespan is not None:
        app.state.own = await opened.enter_async_context(spec.lifespan(resources))
    state.start()
    opened.callback(state.stop)


def _require(spec: ServiceSpec, resources: Resources) -> None:
    wrong = unfit_secrets(resources.secrets, spec.secrets)
    if not wrong:
        return
    if resources.settings.secrets_validation_mode == "strict":
        remedy = "set them or give files of these names; `tradewright auth init` makes some"
        raise ConfigError(f"{spec.name} cannot start: {'; '.join(wrong)}", remedy)
    _log.error("the service starts without secrets that it needs", wrong=wrong)


async def resources_of(connection: HTTPConnection) -> Resources:
    """Return what the service works with."""
    return cast("Resources", connection.app.state.resources)


Have = Annotated[Resources, Depends(resources_of)]
"""The resources as a parameter of a route."""


async def own_state(connection: HTTPConnection) -> Any:  # noqa: ANN401 - the service's own
    """Return what the service's own lifespan yielded; a route names its type."""
    return connection.app.state.own


def _refuse_unmarked(service: str, routes: Iterable[BaseRoute]) -> None:
    wrong = [
        getattr(route, "path", str(route))
        for route in routes
        if not isinstance(route, APIRoute | APIWebSocketRoute)
        or len(doors_of(route.dependencies)) != 1
    ]
    if wrong:
        raise ConfigError(
            f"routes of {service} do not say who may use them: {', '.join(sorted(wrong))}",
            "give each exactly one of needs(...) and public(...)",
        )


def _document(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, routes=app.routes)
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        found = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= found.pop("$defs", {}) | {"Problem": found}
        for name in _UNUSED:
            schemas.pop(name, None)
        for path in document["paths"].values():
            for operation in path.values():
                _tell_problems(operation["responses"])
        app.openapi_schema = document
    return app.openapi_schema


def _tell_problems(responses: dict[str, Any]) -> None:
    # What the framework says of 422 is not what we answer.
    responses.pop("422", None)
    content = {PROBLEM_TYPE: {"schema": {"$ref": _PROBLEM}}}
    responses["default"] = {"description": "Why it was not answered as asked.", "content": content}
    for status, response in responses.items():
        if status.startswith("5"):
            response.setdefault("content", {}).update(content)

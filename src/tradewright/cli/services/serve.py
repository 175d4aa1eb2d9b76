"""`tradewright serve`: one service as a process, until it is told to stop.

The first line on standard output is one of JSON that says where it listens, written once it
answers; its log goes to standard error, one line of JSON for each thing that happens.
"""

from __future__ import annotations

import signal
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Annotated, Final

import typer

from tradewright.bootstrap import load_settings, production_faults, service_databases
from tradewright.cli.parent import end_with_parent, tell_address
from tradewright.core.errors import ConfigError, InvalidInput

if TYPE_CHECKING:
    from tradewright.bootstrap import Resources, Settings
    from tradewright.ops.redaction import Redactor

LAST_PORT: Final = 65535


def serve(
    name: Annotated[str, typer.Argument(help="The service, such as auth.")],
    *,
    host: Annotated[
        str | None, typer.Option("--host", help="Address to listen at; else SERVICES_HOST.")
    ] = None,
    port: Annotated[
        int | None, typer.Option("--port", help="Port; 0 takes any; else the service's own.")
    ] = None,
    with_parent: Annotated[
        bool, typer.Option("--with-parent", help="Stop when standard input is closed.")
    ] = False,
) -> None:
    """Serve one service until SIGTERM or Ctrl-C, with the embedded databases if none are set."""
    if with_parent:
        # Ctrl-C reaches the whole group: who started us stops us in its own order.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        end_with_parent()
    from tradewright.ops.starts import counted_start
    from tradewright.services.app import make_app
    from tradewright.services.catalog import service_spec
    from tradewright.services.server import serve as serve_app
    from tradewright.services.server import tls_files

    if port is not None and not 0 <= port <= LAST_PORT:
        raise InvalidInput("--port", port, f"is not a port (0 to {LAST_PORT})")
    spec = service_spec(name)
    settings = load_settings()
    if wrong := production_faults(settings):
        raise ConfigError("; ".join(wrong), "see `tradewright config check`")
    redactor = _log(spec.name, settings)
    with (
        counted_start(settings.state_dir, spec.name) as started,
        service_databases(settings) as found,
    ):

        def resources() -> AbstractAsyncContextManager[Resources]:
            from tradewright.bootstrap import service_resources

            return service_resources(settings, found, spec.name, learn=redactor.learn)

        def ready(url: str) -> None:
            started()
            tell_address(url)

        serve_app(
            make_app(spec, resources),
            host or settings.services_host,
            spec.port if port is None else port,
            tls=tls_files(settings),
            ready=ready,
        )


def _log(service: str, settings: Settings) -> Redactor:
    from pydantic import SecretStr

    from tradewright.ops.logging import configure_logging
    from tradewright.ops.redaction import Redactor

    given = [value for _, value in settings if isinstance(value, SecretStr)]
    redactor = Redactor(secret.get_secret_value() for secret in given)
    configure_logging(
        service, settings.log_level, secrets=redactor, folder=settings.log_dir, threaded=True
    )
    return redactor

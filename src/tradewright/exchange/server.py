"""The web server of the exchange: on its own port, over a wire that faults can break."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from tradewright.exchange.data.line import Line
from tradewright.exchange.faults.wire import Wire
from tradewright.ops.serving import PortServer, run

_GRACE_SECONDS: Final = 2
# A request leaves nothing to the collector and an order stays for good, so that to look through
# the young ones holds all answers up and finds nothing.
_YOUNG: Final = 250_000


class ExchangeServer(PortServer):
    """An exchange on its own port; port 0 takes any that is free."""

    def __init__(
        self,
        app: ASGIApp,
        host: str = "127.0.0.1",
        port: int = 8010,
        *,
        ready: Callable[[str], None] | None = None,
    ) -> None:
        """Take the port; `ready` is told the address once requests are answered.

        Raises:
            ConfigError: The port is in use, or the host is not this machine's.
        """
        config = uvicorn.Config(
            app,
            http=Wire,
            ws=Line,
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        super().__init__(config, host, port, ready=ready)


def serve(
    app: ASGIApp,
    host: str = "127.0.0.1",
    port: int = 8010,
    *,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve the exchange until SIGINT or SIGTERM; the process is its own from here on."""
    run(ExchangeServer(app, host, port, ready=ready), young=_YOUNG)

"""Who really called: forwarding headers are believed from trusted proxies, and from nobody else.

The list of forwarders is read from its end, since everything before the first proxy that is
trusted was written by somebody who is not. The peer of the socket stays known beside the client.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Receive, Scope, Send

Network: TypeAlias = "IPv4Network | IPv6Network"
Address: TypeAlias = "IPv4Address | IPv6Address"

PEER: Final = "tradewright.peer"
_FOR: Final = b"x-forwarded-for"
_PROTO: Final = b"x-forwarded-proto"
_SECURE: Final = {"http": "https", "ws": "wss"}


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Return the networks of these addresses or ranges."""
    return tuple(ip_network(text, strict=False) for text in texts)


@lru_cache(maxsize=1024)
def is_within(address: str, ranges: tuple[Network, ...]) -> bool:
    """Whether an address lies in one of the ranges; what is no address lies in none."""
    found = _address(address)
    return found is not None and any(found in network for network in ranges)


def peer_of(scope: Scope) -> str:
    """Return the address at the other end of the socket; empty when there is none."""
    return str(scope.get(PEER) or _host(scope))


def client_of(scope: Scope) -> str:
    """Return the address of the client, behind our proxies if there are any."""
    return _host(scope)


class TrustedProxies:
    """Middleware that puts the client's address and scheme in the place of a trusted proxy's."""

    def __init__(self, app: ASGIApp, trusted: Iterable[str] = ()) -> None:
        """Serve `app`; believe the proxies in the ranges `trusted`."""
        self._app = app
        self._trusted = networks(trusted)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request under the client's address."""
        if scope["type"] in {"http", "websocket"} and is_within(_host(scope), self._trusted):
            scope = self._behind(scope)
        await self._app(scope, receive, send)

    def _behind(self, scope: Scope) -> Scope:
        forwarders: list[str] = []
        schemes: list[str] = []
        for name, value in scope["headers"]:
            if name == _FOR:
                forwarders += value.decode("latin-1").split(",")
            elif name == _PROTO:
                schemes += value.decode("latin-1").split(",")
        peer = _host(scope)
        changed: dict[str, Any] = {PEER: peer}
        if client := self._client(forwarders):
            changed["client"] = (client, 0)
        # The nearest proxy's word is the last one; what came before it could be anybody's.
        if schemes and schemes[-1].strip().lower() == "https":
            changed["scheme"] = _SECURE.get(scope["scheme"], scope["scheme"])
        return {**scope, **changed}

    def _client(self, forwarders: list[str]) -> str:
        client = ""
        for text in reversed(forwarders):
            found = _address(text.strip())
            if found is None:
                break
            client = str(found)
            if not any(found in network for network in self._trusted):
                break
        return client


def _host(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


def _address(text: str) -> Address | None:
    try:
        found = ip_address(text)
    except ValueError:
        return None
    # An IPv4 caller on a dual-stack socket is the same caller.
    return getattr(found, "ipv4_mapped", None) or found

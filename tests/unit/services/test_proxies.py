from __future__ import annotations

from typing import Any

import pytest

from tradewright.bootstrap import Settings
from tradewright.services.proxies import TrustedProxies, client_of, is_within, networks, peer_of

LOCAL = ("127.0.0.0/8", "::1/128", "10.0.0.0/8")


async def seen(
    peer: str, *headers: tuple[str, str], trusted: tuple[str, ...] = LOCAL, scheme: str = "http"
) -> tuple[str, str, str]:
    """The client, the peer and the scheme that the app sees."""
    found: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - as ASGI has it
        found.append((client_of(scope), peer_of(scope), scope["scheme"]))

    scope: Any = {
        "type": "http",
        "client": (peer, 1234),
        "scheme": scheme,
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
    }
    await TrustedProxies(app, trusted)(scope, None, None)  # type: ignore[arg-type]
    result: tuple[str, str, str] = found[0]
    return result


FOR, PROTO = "X-Forwarded-For", "X-Forwarded-Proto"


async def test_a_trusted_proxy_is_believed() -> None:
    told = await seen("127.0.0.1", (FOR, "203.0.113.7"), (PROTO, "https"))
    assert told == ("203.0.113.7", "127.0.0.1", "https")


async def test_a_stranger_is_not_believed() -> None:
    told = await seen("203.0.113.9", (FOR, "127.0.0.1"), (PROTO, "https"))
    assert told == ("203.0.113.9", "203.0.113.9", "http")


async def test_nobody_is_believed_when_nobody_is_trusted() -> None:
    told = await seen("127.0.0.1", (FOR, "203.0.113.7"), trusted=())
    assert told == ("127.0.0.1", "127.0.0.1", "http")


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ("1.1.1.1, 203.0.113.7, 10.0.0.2", "203.0.113.7"),
        ("127.0.0.1, 203.0.113.7", "203.0.113.7"),
        ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("203.0.113.7, nonsense", "127.0.0.1"),
        ("203.0.113.7, nonsense, 10.0.0.2", "10.0.0.2"),
        ("", "127.0.0.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
    ],
)
async def test_the_list_is_read_from_its_end(forwarded: str, client: str) -> None:
    assert (await seen("127.0.0.1", (FOR, forwarded)))[0] == client


async def test_lists_in_several_headers_are_one() -> None:
    told = await seen("127.0.0.1", (FOR, "1.1.1.1"), (FOR, "203.0.113.7, 10.0.0.2"))
    assert told[0] == "203.0.113.7"


async def test_the_nearest_proxy_says_the_scheme() -> None:
    assert (await seen("127.0.0.1", (PROTO, "https, http")))[2] == "http"
    assert (await seen("127.0.0.1", (PROTO, "https"), scheme="ws"))[2] == "wss"
    assert (await seen("127.0.0.1", (PROTO, "gopher")))[2] == "http"


def test_addresses_within_ranges() -> None:
    ranges = networks(LOCAL)
    assert is_within("127.8.0.1", ranges)
    assert is_within("::ffff:127.0.0.1", ranges)
    assert is_within("::1", ranges)
    assert not is_within("8.8.8.8", ranges)
    assert not is_within("testclient", ranges)
    assert not is_within("", ranges)


@pytest.mark.parametrize(
    ("environment", "given", "expected"),
    [
        ("development", None, ("127.0.0.0/8", "::1/128")),
        ("testing", None, ("127.0.0.0/8", "::1/128")),
        ("staging", None, ()),
        ("production", None, ()),
        ("production", "10.0.0.1, 10.1.0.0/16", ("10.0.0.1/32", "10.1.0.0/16")),
        ("development", "", ()),
    ],
)
def test_default_proxies(environment: str, given: str | None, expected: tuple[str, ...]) -> None:
    values = {"ENVIRONMENT": environment} | ({} if given is None else {"TRUSTED_PROXY_IPS": given})
    assert Settings.model_validate(values).trusted_proxies == expected

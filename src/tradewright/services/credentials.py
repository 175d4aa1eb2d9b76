"""Who makes a request: what it shows is read, verified, and must be of one mind.

A request may show a service's signature, a bearer token, a session cookie and a client
certificate. Each that is shown must be good: a bad one is not made good by another beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Any, Final

from starlette.requests import HTTPConnection, Request

from tradewright.core.access import (
    SERVICE_PERMISSIONS,
    Principal,
    UserContext,
    service_principal,
)
from tradewright.core.access.quotas import Nonce
from tradewright.core.errors import (
    ConfigError,
    InvalidInput,
    NotAuthenticated,
    NotPermitted,
    SafetyError,
)
from tradewright.wire import signing
from tradewright.wire.auth import HOST_PREFIX

if TYPE_CHECKING:
    from starlette.types import Scope

    from tradewright.ports import SecretStore

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_SIGNING: Final = frozenset(name.lower().encode() for name in signing.SIGNING_HEADERS)
_OVER_TLS: Final = frozenset({"https", "wss"})
_AUTHORIZATION: Final = b"authorization"
_COOKIE: Final = b"cookie"
_CSRF: Final = signing.CSRF_HEADER.lower().encode()
_SITE: Final = b"sec-fetch-site"
_ONCE: Final = _SIGNING | {_AUTHORIZATION, _CSRF, _SITE}
_READ: Final = _ONCE | {_COOKIE}
_SERVICE, _TIMESTAMP, _NONCE, _BODY, _SIGNATURE, _CONTEXT = (
    name.lower().encode() for name in signing.SIGNING_HEADERS
)


@dataclass(frozen=True, slots=True)
class Recognised:
    """A principal, and the nonce that its signature has yet to use up."""

    principal: Principal
    nonce: Nonce | None = None


async def recognise(connection: HTTPConnection) -> Recognised:
    """Return whom a connection is made by.

    Raises:
        NotAuthenticated: It shows nothing, something that is not good, or two that disagree.
        NotPermitted: A browser was made to send it by another site.
        SafetyError: Whether what it shows is good cannot be known.
    """
    resources = connection.app.state.resources
    shown = _shown(connection.scope)
    found: list[Principal] = []
    nonce: Nonce | None = None
    if not _SIGNING.isdisjoint(shown):
        signed = await _signed(connection, shown)
        found.append(signed.principal)
        nonce = signed.nonce
    if _AUTHORIZATION in shown:
        found.append(await resources.tokens.verify(_bearer(shown[_AUTHORIZATION])))
    explicit = bool(found)
    if (token := _cookie(shown.get(_COOKIE, ""), connection.scope["scheme"])) is not None:
        found.append(await resources.tokens.verify(token))
        if not explicit:
            await _same_site(connection, shown, found[-1])
    if (certificate := _certificate(connection.scope)) is not None:
        found.append(await resources.certificates.verify(certificate))
        if not explicit and len(found) == 1:
            _from_our_site(connection, shown, found[-1])
    if not found:
        raise NotAuthenticated("not_authenticated", "the request shows nothing of who makes it")
    if len({principal.subject for principal in found}) > 1:
        raise NotAuthenticated("not_authenticated", "the request shows two that disagree")
    return Recognised(found[0], nonce)


async def still_good(connection: HTTPConnection) -> None:
    """Refuse who was let in once, if that would not be so any more.

    Raises:
        NotAuthenticated: The login has ended, or the certificate was revoked.
        NotPermitted: The certificate's user may do less than when it was shown.
        SafetyError: This cannot be known.
    """
    resources = connection.app.state.resources
    principal: Principal | None = connection.scope.get("state", {}).get("principal")
    if principal is None:
        return
    if principal.session is not None and not await resources.sessions.is_live(principal.session):
        raise NotAuthenticated("session_revoked", "the session has ended")
    if (certificate := _certificate(connection.scope)) is not None:
        found = await resources.certificates.verify(certificate)
        if found.kind is principal.kind and not principal.permissions <= found.permissions:
            raise NotPermitted(principal.subject, "go on with what was taken away")


def _shown(scope: Scope) -> dict[bytes, str]:
    shown: dict[bytes, str] = {}
    for name, value in scope["headers"]:
        if name in _READ:
            if name in shown and name in _ONCE:
                # Two readers could take a different one of the two for the header.
                raise NotAuthenticated("not_authenticated", "a header is there twice")
            text = value.decode("latin-1")
            shown[name] = f"{shown[name]}; {text}" if name in shown else text
    return shown


async def _signed(connection: HTTPConnection, shown: dict[bytes, str]) -> Recognised:
    missing = _SIGNING - shown.keys() - {_CONTEXT}
    if missing:
        raise NotAuthenticated("bad_signature", "the signature is not complete")
    service, nonce = shown[_SERVICE], shown[_NONCE]
    if service not in SERVICE_PERMISSIONS:
        raise NotAuthenticated("unknown_service", "the service is not one of ours")
    resources = connection.app.state.resources
    now: float = resources.clock.now().timestamp()
    if not signing.is_timely(shown[_TIMESTAMP], now):
        raise NotAuthenticated("stale_signature", "the timestamp is too far from our clock")
    if not signing.is_nonce(nonce):
        raise NotAuthenticated("bad_signature", "the nonce is not fit to be one")
    facts = _facts(connection.scope, shown)
    if not _is_signed(facts, shown[_SIGNATURE], resources.secrets):
        raise NotAuthenticated("bad_signature", "the signature is not the service's")
    # A chat over a socket has no body; all else is hashed as it came.
    body = await connection.body() if isinstance(connection, Request) else b""
    if not signing.is_body(shown[_BODY], body):
        raise NotAuthenticated("body_mismatch", "the body is not the one that was signed")
    principal = service_principal(service, _context(shown.get(_CONTEXT, "")))
    assert principal is not None  # noqa: S101 - it was one of ours above
    return Recognised(
        principal, Nonce(service, nonce, signing.NONCE_TTL_SECONDS, int(shown[_TIMESTAMP]))
    )


def _facts(scope: Scope, shown: dict[bytes, str]) -> signing.RequestFacts:
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return signing.RequestFacts(
        service=shown[_SERVICE],
        timestamp=shown[_TIMESTAMP],
        nonce=shown[_NONCE],
        method=scope.get("method", "GET"),
        path=raw.partition(b"?")[0].decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        body_hash=shown[_BODY],
        user_context=shown.get(_CONTEXT, ""),
    )


def _is_signed(facts: signing.RequestFacts, signature: str, store: SecretStore) -> bool:
    name = signing.secret_name(facts.service)
    try:
        if signing.is_signed(facts, signature, signing.active_secrets(store.get(name))):
            return True
    except (ConfigError, InvalidInput) as error:
        raise SafetyError(f"{name} cannot be used: {error}") from error
    try:
        previous = signing.active_secrets(store.get(name + signing.PREVIOUS))
    except (ConfigError, InvalidInput):
        return False
    return signing.is_signed(facts, signature, previous)


def _context(text: str) -> UserContext | None:
    if not text:
        return None
    try:
        return signing.read_user_context(text)
    except InvalidInput as error:
        raise NotAuthenticated("bad_user_context", "the user context cannot be read") from error


def _bearer(text: str) -> str:
    scheme, _, token = text.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotAuthenticated("not_authenticated", "the Authorization header is no bearer token")
    return token.strip()


def _cookie(text: str, scheme: str) -> str | None:
    if signing.SESSION_COOKIE not in text:
        return None
    jar: SimpleCookie = SimpleCookie()
    try:
        jar.load(text)
    except CookieError as error:
        raise NotAuthenticated("not_authenticated", "the cookies cannot be read") from error
    found = jar.get(HOST_PREFIX + signing.SESSION_COOKIE)
    if found is None and scheme not in _OVER_TLS:
        # Over TLS the bare name could be set by another host of our domain.
        found = jar.get(signing.SESSION_COOKIE)
    return found.value if found is not None and found.value else None


def _certificate(scope: Scope) -> bytes | None:
    tls: dict[str, Any] = (scope.get("extensions") or {}).get("tls") or {}
    found = tls.get("client_certificate")
    return found if isinstance(found, bytes) and found else None


async def _same_site(
    connection: HTTPConnection, shown: dict[bytes, str], principal: Principal
) -> None:
    # A browser adds cookies by itself, whoever made it ask; only our own page knows the token.
    _from_our_site(connection, shown, principal)
    if connection.scope.get("method", "GET") in _SAFE_METHODS:
        return
    sessions = connection.app.state.resources.sessions
    session = await sessions.get(principal.session) if principal.session else None
    if session is None:
        raise NotAuthenticated("session_revoked", "the session has ended")
    if not signing.is_same(session.csrf, shown.get(_CSRF, "")):
        raise NotPermitted(principal.subject, "act without the CSRF token", "csrf_failed")


def _from_our_site(
    connection: HTTPConnection, shown: dict[bytes, str], principal: Principal
) -> None:
    unsafe = connection.scope.get("method", "GET") not in _SAFE_METHODS
    websocket = connection.scope["type"] == "websocket"
    elsewhere = shown.get(_SITE, "") in {"cross-site", "same-site"}
    if (unsafe or websocket) and elsewhere and not _is_allowed(connection):
        raise NotPermitted(principal.subject, "act from another site", "csrf_failed")


def _is_allowed(connection: HTTPConnection) -> bool:
    # The console is on another port, so another origin of the same site; it is named by us.
    policy = getattr(connection.app.state, "policy", None)
    given = [value for name, value in connection.scope["headers"] if name == b"origin"]
    return (
        policy is not None
        and len(given) == 1
        and given[0].decode("latin-1") in policy.browser.origins
    )

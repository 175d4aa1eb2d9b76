"""Access tokens: JWTs signed with Ed25519, made by the auth service and read by every service.

The algorithm is fixed to the one that RFC 9864 calls `Ed25519`: what a token's header says about
it is compared, never followed. A good signature is not enough: the session must still live, and
when that cannot be known nobody is let in. Keys are read at each call, so they rotate at once.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from joserfc import jwt
from joserfc.errors import BadSignatureError, ExpiredTokenError, InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet, OKPKey
from joserfc.jwt import ClaimsOption

from tradewright.core.access import Role, user_principal
from tradewright.core.errors import ConfigError, NotAuthenticated, SafetyError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tradewright.core.access import Principal, UserSession
    from tradewright.core.records import Body
    from tradewright.ports import Clock, SecretStore, SessionStore

ALGORITHM: Final = "Ed25519"
SIGNING_KEY: Final = "JWT_SIGNING_KEY"
VERIFICATION_KEYS: Final = "JWT_VERIFICATION_KEYS"
LEEWAY_SECONDS: Final = 5
LONGEST: Final = 4096
_TYPE: Final = "at+jwt"
_PUBLIC: Final = ("kty", "crv", "x")
_ESSENTIAL: Final[dict[str, ClaimsOption]] = {
    name: {"essential": True} for name in ("sub", "sid", "jti", "iat", "nbf", "exp")
}


@dataclass(frozen=True, slots=True)
class TokenTerms:
    """Who issues tokens, for whom, and for how many seconds each is good."""

    issuer: str = "tradewright"
    audience: str = "tradewright"
    seconds: int = 600


class SignedTokens:
    """Makes and reads access tokens."""

    def __init__(
        self,
        secrets: SecretStore,
        sessions: SessionStore,
        clock: Clock,
        ids: Callable[[], str],
        terms: TokenTerms,
    ) -> None:
        """Read keys from `secrets`, ask `sessions` whether one lives, and date by `clock`."""
        self._secrets = secrets
        self._sessions = sessions
        self._clock = clock
        self._ids = ids
        self._terms = terms
        self._parsed: dict[str, tuple[str, tuple[OKPKey, ...]]] = {}

    def issue(self, session: UserSession) -> str:
        """Sign a token for a session; it never outlives the session.

        Raises:
            ConfigError: There is no signing key, or it is no Ed25519 key.
        """
        key = self._signing_key()
        now = self._clock.now()
        until = min(now + timedelta(seconds=self._terms.seconds), session.expires)
        claims = {
            "iss": self._terms.issuer,
            "aud": self._terms.audience,
            "sub": session.user,
            "sid": session.id,
            "jti": self._ids(),
            "iat": int(now.timestamp()),
            "nbf": int(now.timestamp()),
            "exp": int(until.timestamp()),
            "roles": sorted(session.roles),
            "strategies": None if session.strategies is None else sorted(session.strategies),
        }
        header = {"alg": ALGORITHM, "typ": _TYPE, "kid": key.thumbprint()}
        return jwt.encode(header, claims, key, algorithms=[ALGORITHM])

    def key_set(self) -> Body:
        """Return the public keys with which tokens are verified, the present one first.

        Raises:
            ConfigError: A key cannot be read.
        """
        return {"keys": [_published(key) for key in self._keys()]}

    async def verify(self, token: str) -> Principal:
        """Return whom a token speaks for.

        Raises:
            NotAuthenticated: It is malformed, forged, expired, for someone else, or its session
                has been revoked.
            SafetyError: Whether the session lives, or which keys are good, cannot be known.
        """
        claims = self._claims(token)
        principal = _principal(claims)
        if not await self._sessions.is_live(str(claims["sid"])):
            raise NotAuthenticated("session_revoked", "the session has ended; log in again")
        return principal

    def _claims(self, token: str) -> Mapping[str, Any]:
        if len(token) > LONGEST:
            raise NotAuthenticated("not_authenticated", "the token is no token of ours")
        try:
            keys = KeySet(list(self._keys()))
        except ConfigError as error:
            raise SafetyError(f"tokens cannot be verified: {error}") from error
        now = int(self._clock.now().timestamp())
        rules = jwt.JWTClaimsRegistry(
            now,
            LEEWAY_SECONDS,
            iss={"essential": True, "value": self._terms.issuer},
            aud={"essential": True, "value": self._terms.audience},
            **_ESSENTIAL,
        )
        try:
            read = jwt.decode(token, keys, algorithms=[ALGORITHM])
            if read.header.get("typ") != _TYPE:
                raise NotAuthenticated("not_authenticated", "the token is of another kind")
            rules.validate(read.claims)
        except ExpiredTokenError as error:
            raise NotAuthenticated("token_expired", "the token has expired; refresh it") from error
        except (BadSignatureError, InvalidKeyIdError) as error:
            raise NotAuthenticated("bad_signature", "no key of ours signed the token") from error
        except (JoseError, ValueError) as error:
            raise NotAuthenticated("not_authenticated", "the token is no token of ours") from error
        return read.claims

    def _signing_key(self) -> OKPKey:
        return self._read(SIGNING_KEY, _private_key)[0]

    def _keys(self) -> tuple[OKPKey, ...]:
        names = self._secrets.names()
        found: dict[str, OKPKey] = {}
        for name, read in ((SIGNING_KEY, _private_key), (VERIFICATION_KEYS, _public_keys)):
            if name in names:
                found |= {key.thumbprint(): key for key in self._read(name, read)}
        if not found:
            remedy = "run `tradewright auth init`, or set one of them"
            raise ConfigError(f"neither {SIGNING_KEY} nor {VERIFICATION_KEYS} is set", remedy)
        return tuple(found.values())

    def _read(self, name: str, read: Callable[[str], tuple[OKPKey, ...]]) -> tuple[OKPKey, ...]:
        text = self._secrets.get(name)
        before, keys = self._parsed.get(name, ("", ()))
        if text != before:
            try:
                keys = read(text)
            except (ValueError, KeyError, TypeError, JoseError):
                # The library's own words may quote the key.
                raise _no_key(name) from None
            self._parsed[name] = (text, keys)
        return keys


def new_signing_key() -> str:
    """Make a private key, as PEM."""
    return OKPKey.generate_key("Ed25519", private=True).as_pem(private=True).decode()


def public_key(pem: str) -> Body:
    """Return the public half of a signing key, as a JWK.

    Raises:
        ConfigError: It is no Ed25519 key.
    """
    try:
        (key,) = _private_key(pem)
    except (ValueError, KeyError, TypeError, JoseError):
        raise _no_key(SIGNING_KEY) from None
    return _published(key)


def _no_key(name: str) -> ConfigError:
    remedy = "make one with `tradewright auth rotate-keys`, or give it as it was made"
    return ConfigError(f"{name} is no Ed25519 key", remedy)


def _published(key: OKPKey) -> Body:
    # Named one by one, so that a private part can never be among them.
    facts = key.as_dict(private=False)
    named: Body = {name: str(facts[name]) for name in _PUBLIC}
    return {**named, "kid": key.thumbprint(), "use": "sig", "alg": ALGORITHM}


def _private_key(pem: str) -> tuple[OKPKey, ...]:
    # An environment variable in one line holds \n for the ends of lines.
    key = OKPKey.import_key(pem.replace("\\n", "\n").encode())
    if not key.is_private:
        raise ValueError(SIGNING_KEY)
    return (_signing(key),)


def _public_keys(text: str) -> tuple[OKPKey, ...]:
    keys = json.loads(text)["keys"]
    # Only these parts: a key's own name could be another's, and its private part is not needed.
    return tuple(_signing(OKPKey.import_key({part: key[part] for part in _PUBLIC})) for key in keys)


def _signing(key: OKPKey) -> OKPKey:
    if key.curve_name != ALGORITHM:
        raise ValueError(key.curve_name)
    key.ensure_kid()
    return key


def _principal(claims: Mapping[str, Any]) -> Principal:
    strategies, roles = claims.get("strategies"), claims.get("roles")
    try:
        return user_principal(
            str(claims["sub"]),
            [Role(role) for role in roles or []],
            strategies=None if strategies is None else frozenset(map(str, strategies)),
            session=str(claims["sid"]),
        )
    except (ValueError, TypeError) as error:
        raise NotAuthenticated("not_authenticated", "the token is no token of ours") from error

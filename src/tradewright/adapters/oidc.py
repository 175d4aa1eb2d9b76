"""An OpenID provider, Auth0 or another: authorization code with PKCE, and an RS256 id token.

Only what the provider signed for us, now, and for this very request says who somebody is; an
address counts when the provider verified it. Endpoints and keys are found at the issuer, kept for
an hour, and asked for again when a key is not known.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

import httpx
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from tradewright.core.access.accounts import Identity
from tradewright.core.errors import NotAuthenticated, SafetyError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tradewright.ports import Clock, SecretStore

CLIENT_SECRET: Final = "AUTH0_CLIENT_SECRET"  # noqa: S105 - a name, no secret
ALGORITHM: Final = "RS256"
SCOPE: Final = "openid email"
KEPT: Final = timedelta(hours=1)
ASKED_AGAIN: Final = timedelta(minutes=1)
LEEWAY_SECONDS: Final = 60
LARGEST_BYTES: Final = 1_000_000
TIMEOUT_SECONDS: Final = 5.0
_ENDPOINTS: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_HERE: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_OK: Final = 200
_LONGEST_SUBJECT: Final = 255


class OpenIdProvider:
    """Asks one provider who somebody is."""

    def __init__(
        self, issuer: str, client_id: str, redirect_url: str, secrets: SecretStore, clock: Clock
    ) -> None:
        """Trust `issuer`; the client's secret is read from `secrets` at each login."""
        self._issuer = issuer
        self._client_id = client_id
        self._redirect_url = redirect_url
        self._secrets = secrets
        self._clock = clock
        self._facts: Mapping[str, Any] = {}
        self._keys: KeySet | None = None
        self._read_at: datetime | None = None

    async def redirect(self, state: str, nonce: str, verifier: str) -> str:
        """Return where a browser logs in; the provider sends it back with `state`.

        Raises:
            SafetyError: The provider does not answer, or not as it should.
        """
        await self._discover(KEPT)
        url: str = prepare_grant_uri(
            self._facts["authorization_endpoint"],
            self._client_id,
            "code",
            redirect_uri=self._redirect_url,
            scope=SCOPE,
            state=state,
            nonce=nonce,
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
        )
        return url

    async def identify(self, code: str, nonce: str, verifier: str) -> Identity:
        """Exchange a code for whom it stands for.

        Raises:
            NotAuthenticated: The provider refuses the code, or its id token is not good.
            SafetyError: The provider does not answer, or not as it should.
            ConfigError: There is no client secret.
        """
        await self._discover(KEPT)
        told = await self._exchanged(code, verifier)
        token, access = told.get("id_token"), told.get("access_token")
        if not isinstance(token, str):
            raise _unreadable(self._issuer, "gave no id token")
        read = await self._decoded(token)
        params = {"nonce": nonce, "client_id": self._client_id, "access_token": access}
        options = {
            "iss": {"essential": True, "value": self._issuer},
            "aud": {"essential": True, "value": self._client_id},
            "sub": {"essential": True},
            "nonce": {"essential": True, "value": nonce},
        }
        claims = CodeIDToken(read.claims, read.header, options, params)
        try:
            claims.validate(int(self._clock.now().timestamp()), LEEWAY_SECONDS)
        except (JoseError, ValueError, TypeError) as error:
            raise _forged() from error
        return _identity(self._issuer, read.claims)

    async def _exchanged(self, code: str, verifier: str) -> Mapping[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_url,
            "code_verifier": verifier,
        }
        secret = self._secrets.get(CLIENT_SECRET)
        methods = self._facts.get("token_endpoint_auth_methods_supported", [])
        basic: httpx.BasicAuth | None = None
        if "client_secret_post" in methods:
            form |= {"client_id": self._client_id, "client_secret": secret}
        else:
            # RFC 6749, section 2.3.1: encoded before they are joined.
            basic = httpx.BasicAuth(quote(self._client_id, ""), quote(secret, ""))
        answer = await self._asked("POST", self._facts["token_endpoint"], form, basic)
        if 400 <= answer.status_code < 500:  # noqa: PLR2004 - the caller's errors
            raise NotAuthenticated("bad_code", "the identity provider refused the code; try again")
        return self._read(answer)

    async def _decoded(self, token: str) -> jwt.Token:
        try:
            return self._decode(token)
        except InvalidKeyIdError:
            # The provider may have changed its keys; a forger must not make us ask all the time.
            await self._discover(ASKED_AGAIN)
        try:
            return self._decode(token)
        except InvalidKeyIdError as error:
            raise _forged() from error

    def _decode(self, token: str) -> jwt.Token:
        try:
            return jwt.decode(token, self._keys or KeySet([]), algorithms=[ALGORITHM])
        except InvalidKeyIdError:
            raise
        except (JoseError, ValueError) as error:
            raise _forged() from error

    async def _discover(self, kept: timedelta) -> None:
        now = self._clock.now()
        if self._read_at is not None and now - self._read_at < kept:
            return
        place = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
        facts = self._read(await self._asked("GET", place))
        if facts.get("issuer") != self._issuer:
            raise _unreadable(self._issuer, "calls itself by another name")
        for name in _ENDPOINTS:
            if not _is_safe(facts.get(name)):
                raise _unreadable(self._issuer, f"names no https address as {name}")
        keys = self._read(await self._asked("GET", facts["jwks_uri"]))
        try:
            self._keys = KeySet.import_key_set({"keys": keys["keys"]})
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise _unreadable(self._issuer, "has no keys that can be read") from error
        self._facts, self._read_at = facts, now

    async def _asked(
        self,
        method: str,
        url: str,
        form: Mapping[str, str] | None = None,
        auth: httpx.BasicAuth | None = None,
    ) -> httpx.Response:
        try:
            async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=True) as client:
                return await client.request(method, url, data=form, auth=auth)
        except httpx.HTTPError as error:
            # The error's own words could hold the form, and with it the secret.
            raise _unreadable(self._issuer, f"did not answer ({type(error).__name__})") from None

    def _read(self, answer: httpx.Response) -> Mapping[str, Any]:
        if answer.status_code != _OK or len(answer.content) > LARGEST_BYTES:
            raise _unreadable(self._issuer, f"answered with status {answer.status_code}")
        try:
            body = answer.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise _unreadable(self._issuer, "answered with no JSON object")
        return body


def _identity(issuer: str, claims: Mapping[str, Any]) -> Identity:
    subject, email = claims.get("sub"), claims.get("email")
    if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_SUBJECT:
        raise _forged()
    verified = claims.get("email_verified") is True and isinstance(email, str)
    return Identity(
        subject=f"{issuer}|{subject}",
        email=str(email).strip().lower() if verified else None,
        second_factor="mfa" in (claims.get("amr") or ()),
    )


def _is_safe(url: object) -> bool:
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        host = parts.hostname or ""
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and host in _HERE))


def _forged() -> NotAuthenticated:
    return NotAuthenticated("bad_signature", "the identity provider's token is not good")


def _unreadable(issuer: str, what: str) -> SafetyError:
    return SafetyError(f"the identity provider {issuer} {what}, so who logs in cannot be known")

"""HashiCorp Vault, or OpenBao: one secret of the KV engine, version 2, whose keys are our secrets.

A token opens it, or an AppRole: then a token is fetched, used until it is about to expire, and
fetched anew when Vault does not take it. What opens Vault is read from this machine at each login.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import httpx

from tradewright.adapters.secrets.remote import exchanged, texts
from tradewright.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tradewright.ports import SecretStore

TOKEN: Final = "VAULT_TOKEN"  # noqa: S105 - the name of a secret
SECRET_ID: Final = "VAULT_SECRET_ID"  # noqa: S105 - the name of a secret
_SHARE_OF_LEASE: Final = 0.8
_REMEDIES: Final = {
    HTTPStatus.BAD_REQUEST: "look at VAULT_ROLE_ID, VAULT_SECRET_ID and VAULT_MOUNT",
    HTTPStatus.FORBIDDEN: "give its token or role a policy that reads it, or a fresh token",
    HTTPStatus.NOT_FOUND: "look at VAULT_MOUNT and VAULT_PATH, and whether it was deleted",
    HTTPStatus.SERVICE_UNAVAILABLE: "unseal Vault",
}


@dataclass(frozen=True, slots=True)
class VaultPlace:
    """Where a secret of Vault is, and who asks for it; with no `role` a token of ours does."""

    address: str
    path: str
    mount: str = "secret"
    namespace: str | None = None
    role: str | None = None
    role_mount: str = "approle"
    authority: Path | None = None

    def __str__(self) -> str:
        """Return it as an operator knows it."""
        return f"{self.mount}/{self.path} of Vault at {self.address}"


class VaultReader:
    """Reads a secret of Vault whole; use it from one thread at a time."""

    def __init__(
        self,
        place: VaultPlace,
        opener: SecretStore,
        monotonic: Callable[[], float],
        *,
        seconds: float,
    ) -> None:
        """Read `place` with what `opener` keeps, waiting `seconds` for an answer at most."""
        self._place = place
        self._opener = opener
        self._monotonic = monotonic
        self._seconds = seconds
        self._token = ""
        self._until = 0.0

    def __call__(self) -> Mapping[str, str]:
        """Return every secret by its name.

        Raises:
            ConfigError: Vault does not answer, refuses, or holds nothing fit there.
        """
        place = self._place
        kept = bool(self._token)
        status, body = self._read()
        if status == HTTPStatus.FORBIDDEN and place.role is not None and kept:
            # The token was revoked, or its time was cut.
            self._token = ""
            status, body = self._read()
        if status != HTTPStatus.OK:
            raise _refused(str(place), status)
        try:
            document = body["data"]["data"]
        except (KeyError, TypeError):
            what = f"{place} is no secret of a KV engine of version 2"
            raise ConfigError(what, "look at VAULT_MOUNT and VAULT_PATH") from None
        return texts(document, str(place))

    def _read(self) -> tuple[int, Any]:
        path = f"{quote(self._place.mount)}/data/{quote(self._place.path)}"
        return self._asked("GET", path, {"X-Vault-Token": self._opened()})

    def _opened(self) -> str:
        place = self._place
        if place.role is None:
            return self._opener.get(TOKEN)
        if not self._token or self._monotonic() >= self._until:
            self._login(place.role)
        return self._token

    def _login(self, role: str) -> None:
        began = self._monotonic()
        shown = {"role_id": role, "secret_id": self._opener.get(SECRET_ID)}
        path = f"auth/{quote(self._place.role_mount)}/login"
        status, body = self._asked("POST", path, {}, shown)
        if status != HTTPStatus.OK:
            raise _refused(f"the AppRole login to Vault at {self._place.address}", status)
        try:
            token, lease = str(body["auth"]["client_token"]), float(body["auth"]["lease_duration"])
        except (KeyError, TypeError, ValueError):
            what = f"Vault at {self._place.address} gave no token for the role"
            raise ConfigError(what, "look at VAULT_ADDR and VAULT_APPROLE_MOUNT") from None
        # A lease of zero never ends.
        self._token = token
        self._until = began + lease * _SHARE_OF_LEASE if lease else float("inf")

    def _asked(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: Mapping[str, str] | None = None,
    ) -> tuple[int, Any]:
        place = self._place
        # Vault refuses what a browser was made to send, by this header.
        more = {"X-Vault-Request": "true", **headers}
        if place.namespace:
            more["X-Vault-Namespace"] = place.namespace
        try:
            request = httpx.Request(method, f"{place.address}/v1/{path}", headers=more, json=body)
            return exchanged(
                request,
                seconds=self._seconds,
                monotonic=self._monotonic,
                authority=place.authority,
            )
        except ConfigError as error:
            what = f"Vault at {place.address} (VAULT_ADDR) cannot be read: {error.what}"
            raise ConfigError(what, "bring it back, or correct VAULT_ADDR") from error
        except UnicodeEncodeError:
            # The error itself holds what could not be encoded: the token.
            what = "what opens Vault holds characters that no token has"
            raise ConfigError(what, f"give {TOKEN} or {SECRET_ID} as Vault made it") from None


def _refused(what: str, status: int) -> ConfigError:
    try:
        meaning = f"{status} {HTTPStatus(status).phrase}"
        remedy = _REMEDIES.get(HTTPStatus(status), "look at Vault's own log")
    except ValueError:
        meaning, remedy = str(status), "look at Vault's own log"
    return ConfigError(f"{what} was refused: {meaning}", remedy)

"""AWS Secrets Manager: one secret that is a JSON object, whose keys are our secrets.

The access key is read from this machine at each call, so a fresh one is good at once. An answer
says nothing of the secret when it refuses, and neither do we.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import httpx

from tradewright.adapters.secrets.remote import exchanged, texts
from tradewright.adapters.secrets.signature_v4 import Message, Scope, authorization
from tradewright.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tradewright.ports import Clock, SecretStore

KEY_ID: Final = "AWS_ACCESS_KEY_ID"
KEY: Final = "AWS_SECRET_ACCESS_KEY"
SESSION: Final = "AWS_SESSION_TOKEN"
SERVICE: Final = "secretsmanager"
_TARGET: Final = "secretsmanager.GetSecretValue"
_KEYS: Final = f"look at {KEY_ID}, {KEY} and {SESSION}"
_REMEDIES: Final = {
    "ResourceNotFoundException": "look at AWS_SECRETS_NAME and AWS_REGION",
    "AccessDeniedException": "allow secretsmanager:GetSecretValue, and kms:Decrypt for its key",
    "DecryptionFailure": "allow kms:Decrypt for its key",
    "UnrecognizedClientException": _KEYS,
    "InvalidSignatureException": f"{_KEYS}, and this machine's clock",
    "ExpiredTokenException": f"give a fresh {SESSION}",
    "InvalidRequestException": "look whether it is marked for deletion",
    "ThrottlingException": "raise SECRETS_CACHE_SECONDS",
}


@dataclass(frozen=True, slots=True)
class AwsPlace:
    """Where a secret of Secrets Manager is; `endpoint` stands in the place of the region's own."""

    region: str
    name: str
    endpoint: str | None = None

    @property
    def url(self) -> str:
        """The address that is asked."""
        china = ".cn" if self.region.startswith("cn-") else ""
        return self.endpoint or f"https://{SERVICE}.{self.region}.amazonaws.com{china}"

    def __str__(self) -> str:
        """Return it as an operator knows it."""
        return f"{self.name} of AWS Secrets Manager in {self.region}"


class AwsReader:
    """Reads a secret of Secrets Manager whole."""

    def __init__(
        self, place: AwsPlace, opener: SecretStore, clock: Clock, *, seconds: float
    ) -> None:
        """Read `place` with the keys that `opener` keeps, waiting `seconds` at most."""
        self._place = place
        self._opener = opener
        self._clock = clock
        self._seconds = seconds

    def __call__(self) -> Mapping[str, str]:
        """Return every secret by its name.

        Raises:
            ConfigError: AWS does not answer, refuses, or keeps nothing fit there.
        """
        status, body = self._asked()
        if status != HTTPStatus.OK:
            raise _refused(str(self._place), status, body)
        text = body.get("SecretString") if isinstance(body, dict) else None
        try:
            document = json.loads(text) if isinstance(text, str) else None
        except (ValueError, RecursionError):
            # The decoder's own words would quote the secret.
            document = None
        return texts(document, str(self._place))

    def _asked(self) -> tuple[int, Any]:
        place = self._place
        content = json.dumps({"SecretId": place.name}).encode()
        try:
            headers = self._signed(content)
            request = httpx.Request("POST", f"{place.url}/", headers=headers, content=content)
            return exchanged(request, seconds=self._seconds, monotonic=self._clock.monotonic)
        except ConfigError as error:
            if error.remedy:
                raise
            what = f"AWS Secrets Manager at {place.url} cannot be read: {error.what}"
            raise ConfigError(what, "look at AWS_REGION and the way there") from error
        except UnicodeEncodeError:
            # The error itself holds what could not be encoded: a key.
            raise ConfigError("an AWS key holds characters that none has", _KEYS) from None

    def _signed(self, content: bytes) -> dict[str, str]:
        scope = Scope(self._clock.now(), self._place.region, SERVICE)
        headers = {
            "host": urlsplit(self._place.url).netloc,
            "content-type": "application/x-amz-json-1.1",
            "x-amz-date": scope.stamp,
            "x-amz-target": _TARGET,
        }
        if SESSION in self._opener.names():
            headers["x-amz-security-token"] = self._opener.get(SESSION)
        message = Message("POST", "/", {}, headers, content)
        key_id, key = self._opener.get(KEY_ID), self._opener.get(KEY)
        return {**headers, "authorization": authorization(message, scope, key_id, key)}


def _refused(what: str, status: int, body: object) -> ConfigError:
    # `com.amazonaws.secretsmanager#Kind`, or the kind alone.
    told = str(body.get("__type", "")).rpartition("#")[2] if isinstance(body, dict) else ""
    known = told if told in _REMEDIES else ""
    unknown = _KEYS if status == HTTPStatus.FORBIDDEN else "look at what AWS says of its health"
    remedy = _REMEDIES.get(told, unknown)
    return ConfigError(f"{what} was refused: {status} {known}".rstrip(), remedy)

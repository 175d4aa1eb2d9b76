"""The signature of requests to AWS, version 4, over requests that are sent whole.

Paths are signed as services other than S3 read them: each part encoded once more than it was sent,
which for `/`, the only path that we ask, changes nothing.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

ALGORITHM: Final = "AWS4-HMAC-SHA256"
_UNRESERVED: Final = "-._~"


@dataclass(frozen=True, slots=True)
class Scope:
    """What a signature is good for: a day's moment, a region and a service."""

    at: datetime
    region: str
    service: str

    @property
    def stamp(self) -> str:
        """The moment as `X-Amz-Date` tells it."""
        return f"{self.at:%Y%m%dT%H%M%SZ}"

    def __str__(self) -> str:
        """Return it as the signature names it."""
        return f"{self.at:%Y%m%d}/{self.region}/{self.service}/aws4_request"


@dataclass(frozen=True, slots=True)
class Message:
    """A request as it will be sent; header names in lower case, `x-amz-date` among them."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""


def authorization(message: Message, scope: Scope, key_id: str, key: str) -> str:
    """Return the Authorization header that signs a request with every header it is given."""
    signed = ";".join(sorted(message.headers))
    digest = hashlib.sha256(canonical(message).encode()).hexdigest()
    text = f"{ALGORITHM}\n{scope.stamp}\n{scope}\n{digest}"
    made = f"AWS4{key}".encode()
    for part in str(scope).split("/"):
        made = hmac.digest(made, part.encode(), "sha256")
    signature = hmac.digest(made, text.encode(), "sha256").hex()
    credential = f"{key_id}/{scope}"
    return f"{ALGORITHM} Credential={credential}, SignedHeaders={signed}, Signature={signature}"


def canonical(message: Message) -> str:
    """Return the one text that stands for a request."""
    pairs = sorted((_encoded(name), _encoded(value)) for name, value in message.query.items())
    headers = [
        f"{name}:{' '.join(value.split())}\n" for name, value in sorted(message.headers.items())
    ]
    return "\n".join(
        [
            message.method,
            quote(message.path, safe="/" + _UNRESERVED),
            "&".join(f"{name}={value}" for name, value in pairs),
            "".join(headers),
            ";".join(sorted(message.headers)),
            hashlib.sha256(message.body).hexdigest(),
        ]
    )


def _encoded(text: str) -> str:
    return quote(text, safe=_UNRESERVED)

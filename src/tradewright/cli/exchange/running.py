"""Asking an exchange that runs: where it is, who asks, and what its answer means here.

Its refusals are repeated in its own words; what cannot be an answer of a rehearsal exchange is an
error of the address, so that a command never reports success for a stranger's page.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from tradewright.core.errors import ConfigError, InvalidInput

if TYPE_CHECKING:
    import httpx

    from tradewright.core.records import Body, JsonValue

HERE: Final = "http://127.0.0.1:8010"
_SECONDS: Final = 30.0
_OK: Final = range(200, 300)
_UNAUTHORIZED: Final = 401
_NO_CONTENT: Final = 204

Url = Annotated[str, typer.Option("--url", help="Where the exchange listens.")]
Key = Annotated[str, typer.Option("--key", help="Key id, as `serve` was given it.")]
Secret = Annotated[str, typer.Option("--secret", help="Its secret.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON alone.")]


@dataclass(frozen=True, slots=True)
class Running:
    """An exchange that runs somewhere, and the keys to it."""

    url: str
    key: str
    secret: str

    def ask(self, method: str, path: str, script: Path | None = None) -> Body:
        """Ask one of the rehearsal's own paths; `script` is a file to send.

        Raises:
            ConfigError: Nothing answers there, or not an exchange, or it refuses.
            InvalidInput: The address or the script cannot be read.
        """
        answer = self._answer(method, f"/rehearsal/{path}", *_sent(script))
        if answer.status_code == _UNAUTHORIZED:
            remedy = "give --key and --secret as `tradewright exchange serve` was given them"
            raise ConfigError(f"the exchange at {self.url} does not know these keys", remedy)
        body = self._read(answer)
        if answer.status_code in _OK:
            return body
        # The exchange's own message names what is wrong and the remedy.
        raise ConfigError(str(body.get("message", f"status {answer.status_code}")))

    def _answer(self, method: str, path: str, content: bytes | None, kind: str) -> httpx.Response:
        import httpx

        headers = {"APCA-API-KEY-ID": self.key, "APCA-API-SECRET-KEY": self.secret}
        if content is not None:
            headers["Content-Type"] = kind
        try:
            with httpx.Client(timeout=_SECONDS, trust_env=False) as client:
                address = self.url.rstrip("/") + path
                return client.request(method, address, headers=headers, content=content)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise InvalidInput("--url", self.url, "is not an address", f"as {HERE}") from error
        except httpx.HTTPError as error:
            remedy = "start one with `tradewright exchange serve`, or give its address with --url"
            raise ConfigError(f"no exchange answers at {self.url}", remedy) from error

    def _read(self, answer: httpx.Response) -> Body:
        if answer.status_code == _NO_CONTENT:
            return {}
        try:
            body: JsonValue = answer.json()
        except ValueError as error:
            what = f"what answers at {self.url} is no rehearsal exchange"
            raise ConfigError(what, "give the exchange's address with --url") from error
        return body if isinstance(body, dict) else {"rows": body}


def _sent(script: Path | None) -> tuple[bytes | None, str]:
    if script is None:
        return None, ""
    try:
        content = script.read_bytes()
    except OSError as error:
        rule = f"cannot be read: {error.strerror}"
        raise InvalidInput("FILE", str(script), rule, "give a script of TOML or JSON") from error
    return content, "application/json" if script.suffix == ".json" else "application/toml"

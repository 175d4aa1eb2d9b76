"""Secrets that are kept by a server: read together, kept for a while, and never used for longer.

Who asks first waits for the server; later a thread reads anew before what is held grows old, so
that a rotated secret is good soon and no request waits. When the server does not answer, what is
held is used until it is too old and then refused: nobody gets in on secrets that may be revoked.
"""

from __future__ import annotations

import json
import ssl
import threading
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import httpx

from tradewright.adapters.secrets.places import is_name, whole
from tradewright.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

LARGEST_BYTES: Final = 1_048_576
RETRY_SECONDS: Final = 1.0
"""How soon a server that failed is asked again."""
_HERE: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class _Held:
    values: Mapping[str, str]
    since: float


class RemoteSecretStore:
    """Secrets of one document that a server keeps; use it from any thread."""

    def __init__(
        self,
        read: Callable[[], Mapping[str, str]],
        where: str,
        monotonic: Callable[[], float],
        *,
        kept_seconds: float,
    ) -> None:
        """Read all secrets by `read`, use them for `kept_seconds`, and half of that without asking.

        Args:
            read: Returns every secret by its name; raises ConfigError when it cannot.
            where: The server and the document, as an operator knows them.
            monotonic: Seconds that never go back.
            kept_seconds: How long secrets are used that were not read anew.
        """
        self._read = read
        self._where = where
        self._monotonic = monotonic
        self._kept = kept_seconds
        self._turn = threading.Lock()
        self._held: _Held | None = None
        self._failure: ConfigError | None = None
        self._tried = 0.0

    def get(self, name: str) -> str:
        """Read a secret.

        Raises:
            ConfigError: It is missing or empty, or the server did not answer for too long.
        """
        return whole(name, self.find(name), self._where, f"put {name} there")

    def find(self, name: str) -> str:
        """Read a secret; empty when it is missing.

        Raises:
            ConfigError: The server did not answer for too long.
        """
        return self._values().get(name, "").strip()

    def names(self) -> Sequence[str]:
        """List the secrets that are there.

        Raises:
            ConfigError: The server did not answer for too long.
        """
        return sorted(name for name in self._values() if is_name(name))

    def refresh(self) -> None:
        """Read anew now.

        Raises:
            ConfigError: The server does not answer, or not as it should.
        """
        with self._turn:
            self._load()

    def _values(self) -> Mapping[str, str]:
        # Taken once each: a thread may change them between two looks.
        held, failure, now = self._held, self._failure, self._monotonic()
        if held is not None and now - held.since < self._kept:
            if now - held.since >= self._kept / 2:
                self._load_apart()
            return held.values
        if failure is not None:
            # Who asks does not wait again for a server that has just failed.
            self._load_apart()
            raise _again(failure)
        with self._turn:
            held = self._held
            # Whoever waited for the turn may find it read.
            if held is not None and held.since >= now:
                return held.values
            if self._failure is not None and self._tried >= now:
                raise _again(self._failure)
            return self._load()

    def _load(self) -> Mapping[str, str]:
        began = self._monotonic()
        try:
            values = self._read()
        except ConfigError as error:
            # Kept as it is told, without the frames that hold what opens the server.
            self._failure = ConfigError(error.what, error.remedy)
            raise
        else:
            # As old as the question: the answer may have been made at once.
            self._held, self._failure = _Held(values, began), None
            return values
        finally:
            self._tried = self._monotonic()

    def _load_apart(self) -> None:
        if self._monotonic() - self._tried < RETRY_SECONDS or not self._turn.acquire(
            blocking=False
        ):
            return

        def load() -> None:
            try:
                with suppress(ConfigError):
                    self._load()
            finally:
                self._turn.release()

        threading.Thread(target=load, name="secrets", daemon=True).start()


def exchanged(
    request: httpx.Request,
    *,
    seconds: float,
    monotonic: Callable[[], float],
    authority: Path | None = None,
) -> tuple[int, Any]:
    """Send a request and return the status and the JSON of its answer; None if it is no JSON.

    Raises:
        ConfigError: There is no whole answer in `seconds`, or one that is too large.
    """
    until = monotonic() + seconds
    here = request.url.host in _HERE
    try:
        trusted = ssl.create_default_context(cafile=authority)
        with (
            httpx.Client(timeout=seconds, verify=trusted, trust_env=not here) as client,
            # Never to where an answer leads: the request carries a credential.
            closing(client.send(request, stream=True, follow_redirects=False)) as answer,
        ):
            content = b""
            for part in answer.iter_bytes():
                content += part
                if len(content) > LARGEST_BYTES:
                    raise ConfigError(f"the answer has more than {LARGEST_BYTES} bytes")
                if monotonic() > until:
                    raise ConfigError(f"the answer took longer than {seconds:g} s")
            return answer.status_code, _json(content)
    except httpx.TimeoutException:
        # The library's own words may hold the request, and with it a credential.
        raise ConfigError(f"there was no answer in {seconds:g} s") from None
    except httpx.HTTPError as error:
        raise ConfigError(f"there was no answer ({type(error).__name__})") from None
    except OSError as error:
        what = f"{authority} is no authority: {error.strerror or 'it cannot be read'}"
        raise ConfigError(what) from error


def texts(document: object, where: str) -> Mapping[str, str]:
    """Return a document's secrets by name.

    Raises:
        ConfigError: It is no object, or a secret is no text.
    """
    if not isinstance(document, dict):
        raise ConfigError(f"{where} holds no names with values", "keep each secret under its name")
    wrong = sorted(
        name for name, value in document.items() if is_name(name) and not isinstance(value, str)
    )
    if wrong:
        raise ConfigError(f"{', '.join(wrong)} of {where} is no text", "keep secrets as text")
    return {name: value for name, value in document.items() if is_name(name)}


def _json(content: bytes) -> Any:  # noqa: ANN401 - whatever JSON holds
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _again(failure: ConfigError) -> ConfigError:
    # A fresh one each time: one that is raised again and again gathers tracebacks.
    return ConfigError(failure.what, failure.remedy)

"""Cookies of logins: what scripts may not read, for this host, never sent from another site.

Over TLS, and always where it matters, their names bind them to it: a browser then takes them from
nobody else. The refresh token goes to the refreshing route alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from starlette.requests import Request
from starlette.responses import Response

from tradewright.wire.auth import (
    CALLBACK_PATH,
    HOST_PREFIX,
    REFRESH_COOKIE,
    REFRESH_PATH,
    SECURE_PREFIX,
    STATE_COOKIE,
)
from tradewright.wire.signing import CSRF_COOKIE, SESSION_COOKIE

if TYPE_CHECKING:
    from datetime import datetime

    from tradewright.bootstrap import Settings
    from tradewright.services.auth.desk import Opened

_MINUTES_AWAY: Final = 600


class Cookies:
    """The cookies of one request's answer."""

    def __init__(self, request: Request, settings: Settings) -> None:
        """Read the request; `settings` say whether TLS stands in front even if it is not seen."""
        self._request = request
        strict = settings.environment in {"staging", "production"}
        self._secure = strict or request.url.scheme == "https"

    @property
    def brought(self) -> bool:
        """Whether the request shows its session by cookie alone, so is answered by cookies."""
        return "authorization" not in self._request.headers and bool(self._read(SESSION_COOKIE))

    @property
    def refresh_token(self) -> str:
        """The refresh token that the browser keeps; empty if it has none."""
        return self._read(REFRESH_COOKIE, SECURE_PREFIX)

    @property
    def state(self) -> str:
        """What the browser kept while it was at the identity provider."""
        return self._read(STATE_COOKIE, SECURE_PREFIX)

    def keep(self, response: Response, opened: Opened, now: datetime, seconds: int) -> None:
        """Hand a login to the browser: the access token for `seconds`, the rest as it lasts."""
        session = opened.session
        lasts = max(1, int((session.expires - now).total_seconds()))
        self._set(response, SESSION_COOKIE, opened.access_token, min(seconds, lasts))
        self._set(response, CSRF_COOKIE, session.csrf, lasts, readable=True)
        self._set(response, REFRESH_COOKIE, opened.refresh_token, lasts, path=REFRESH_PATH)

    def keep_state(self, response: Response, state: str) -> None:
        """Let the browser keep what it must bring back; it comes back from another site."""
        self._set(response, STATE_COOKIE, state, _MINUTES_AWAY, path=CALLBACK_PATH, site="lax")

    def forget(self, response: Response) -> None:
        """Take a login from the browser."""
        for name, path in (
            (SESSION_COOKIE, "/"),
            (CSRF_COOKIE, "/"),
            (REFRESH_COOKIE, REFRESH_PATH),
        ):
            self._set(response, name, "", 0, path=path)

    def forget_state(self, response: Response) -> None:
        """Take from the browser what it brought back."""
        self._set(response, STATE_COOKIE, "", 0, path=CALLBACK_PATH, site="lax")

    def _read(self, name: str, prefix: str = HOST_PREFIX) -> str:
        cookies = self._request.cookies
        bound = cookies.get(prefix + name, "")
        return bound or ("" if self._secure else cookies.get(name, ""))

    def _set(
        self,
        response: Response,
        name: str,
        value: str,
        seconds: int,
        *,
        path: str = "/",
        site: Literal["strict", "lax"] = "strict",
        readable: bool = False,
    ) -> None:
        prefix = HOST_PREFIX if path == "/" else SECURE_PREFIX
        response.set_cookie(
            prefix + name if self._secure else name,
            value,
            max_age=seconds,
            path=path,
            secure=self._secure,
            httponly=not readable,
            samesite=site,
        )

"""What may be asked of the auth service, typed: logins of one's own, and accounts of others.

Tokens are arguments, never kept: whoever logs in decides where a token stays. Every method raises
as `ServiceClient.call` does, and PeerUnavailable for an answer of another shape.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from tradewright.client.calls import Call
from tradewright.core.errors import PeerUnavailable
from tradewright.wire.auth import (
    LOGIN_PATH,
    REFRESH_PATH,
    KeySetAnswer,
    LoginAnswer,
    MeAnswer,
    RevokedAnswer,
    SessionsAnswer,
    SetupAnswer,
    UserAnswer,
    UsersAnswer,
)

if TYPE_CHECKING:
    from tradewright.client.calls import ServiceClient
    from tradewright.core.records import Body
    from tradewright.wire.auth import UserChange, UserRequest

_OWN = "/api/v1/auth"
_USERS = "/api/v1/auth/users"
_Answer = TypeVar("_Answer", bound=BaseModel)


class LoginClient:
    """A person's logins."""

    def __init__(self, service: ServiceClient) -> None:
        """Ask the auth service through `service`."""
        self._service = service

    async def login(self, name: str, password: str) -> LoginAnswer:
        """Log in; the answer may be a challenge for a second factor."""
        body: Body = {"name": name, "password": password}
        return await _asked(self._service, LoginAnswer, _open(LOGIN_PATH, body))

    async def second_factor(self, challenge: str, code: str) -> LoginAnswer:
        """Answer a challenge with a code."""
        body: Body = {"challenge": challenge, "code": code}
        return await _asked(self._service, LoginAnswer, _open(f"{_OWN}/second-factor", body))

    async def refresh(self, refresh_token: str) -> LoginAnswer:
        """Exchange a refresh token; it is sent once, since one that comes twice ends the login."""
        body: Body = {"refresh_token": refresh_token}
        return await _asked(self._service, LoginAnswer, _open(REFRESH_PATH, body))

    async def set_up(self, setup_token: str, password: str) -> None:
        """Set the first password of an account."""
        body: Body = {"token": setup_token, "password": password}
        await self._service.call(_open(f"{_OWN}/setup", body))

    async def key_set(self) -> KeySetAnswer:
        """Read the keys with which tokens are verified."""
        call = Call("GET", "/.well-known/jwks.json", anonymous=True)
        return await _asked(self._service, KeySetAnswer, call)

    async def logout(self, token: str) -> None:
        """End the token's login, in every service at once."""
        await self._service.call(Call("POST", f"{_OWN}/logout", token=token))

    async def me(self, token: str) -> MeAnswer:
        """Read who is logged in and what that allows."""
        return await _asked(self._service, MeAnswer, Call("GET", f"{_OWN}/me", token=token))

    async def sessions(self, token: str) -> SessionsAnswer:
        """List one's live logins."""
        call = Call("GET", f"{_OWN}/sessions", token=token)
        return await _asked(self._service, SessionsAnswer, call)

    async def revoke(self, token: str, session_id: str) -> None:
        """End one of one's logins."""
        await self._service.call(Call("DELETE", f"{_OWN}/sessions/{session_id}", token=token))

    async def revoke_all(self, token: str) -> int:
        """End all of one's logins and return how many there were."""
        call = Call("DELETE", f"{_OWN}/sessions", token=token)
        return (await _asked(self._service, RevokedAnswer, call)).revoked


class UsersClient:
    """Everybody's accounts, for those who may manage them."""

    def __init__(self, service: ServiceClient, token: str | None = None) -> None:
        """Ask through `service`, with an admin's `token`, or signed as a service without one."""
        self._service = service
        self._token = token

    async def users(self) -> UsersAnswer:
        """List every account."""
        return await self._ask(UsersAnswer, "GET")

    async def user(self, user_id: str) -> UserAnswer:
        """Read an account."""
        return await self._ask(UserAnswer, "GET", f"/{user_id}")

    async def create(self, asked: UserRequest) -> SetupAnswer:
        """Make an account; the answer has the token with which its user sets a password."""
        return await self._ask(SetupAnswer, "POST", body=asked.model_dump(mode="json"))

    async def change(self, user_id: str, asked: UserChange) -> UserAnswer:
        """Change an account; what is not set in `asked` stays."""
        body = asked.model_dump(mode="json", exclude_unset=True)
        return await self._ask(UserAnswer, "PATCH", f"/{user_id}", body)

    async def unlock(self, user_id: str) -> UserAnswer:
        """Forget an account's failed attempts and its lock."""
        return await self._ask(UserAnswer, "POST", f"/{user_id}/unlock")

    async def reset(self, user_id: str, *, second_factor: bool = False) -> SetupAnswer:
        """Take an account's password away, and its second factor if that is asked."""
        body: Body = {"second_factor": second_factor}
        return await self._ask(SetupAnswer, "POST", f"/{user_id}/reset", body)

    async def sessions(self, user_id: str) -> SessionsAnswer:
        """List an account's live logins."""
        return await self._ask(SessionsAnswer, "GET", f"/{user_id}/sessions")

    async def revoke(self, user_id: str) -> int:
        """End every login of an account and return how many there were."""
        return (await self._ask(RevokedAnswer, "DELETE", f"/{user_id}/sessions")).revoked

    async def _ask(
        self, shape: type[_Answer], method: str, path: str = "", body: Body | None = None
    ) -> _Answer:
        call = Call(method, _USERS + path, body=body, token=self._token)
        return await _asked(self._service, shape, call)


def _open(path: str, body: Body) -> Call:
    return Call("POST", path, body=body, anonymous=True)


async def _asked(service: ServiceClient, shape: type[_Answer], call: Call) -> _Answer:
    answer = await service.call(call)
    try:
        return shape.model_validate(answer)
    except ValidationError:
        what = f"its answer to {call.method} {call.path} is no {shape.__name__}"
        # The library's own words quote the answer, which may hold tokens.
        raise PeerUnavailable("auth", what) from None

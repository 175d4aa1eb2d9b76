"""From what the procedures return to what the routes answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request
from starlette.responses import Response

from tradewright.core.access import Principal, PrincipalKind
from tradewright.core.errors import NotPermitted
from tradewright.services.app import own_state
from tradewright.services.auth.cookies import Cookies
from tradewright.services.auth.desk import Challenge, LoginDesk, Opened
from tradewright.services.auth.federation import Federation
from tradewright.services.auth.ground import Ground, Origin, seconds
from tradewright.services.auth.own import OwnAccount
from tradewright.services.auth.register import Register, Setup
from tradewright.services.proxies import client_of
from tradewright.wire.auth import (
    LoginAnswer,
    MeAnswer,
    SessionAnswer,
    SetupAnswer,
    UserAnswer,
)

if TYPE_CHECKING:
    from tradewright.bootstrap import Settings
    from tradewright.core.access import UserSession
    from tradewright.core.access.accounts import User


@dataclass(frozen=True, slots=True)
class AuthRooms:
    """What the routes of the auth service call."""

    ground: Ground
    desk: LoginDesk
    own: OwnAccount
    register: Register
    federation: Federation
    settings: Settings


Rooms = Annotated[AuthRooms, Depends(own_state)]
"""The procedures as a parameter of a route."""


@dataclass(frozen=True, slots=True)
class Login:
    """The user's own login that a request shows."""

    user: str
    session: str


def login_of(principal: Principal) -> Login:
    """Return the login of a user; what speaks for a service or by a certificate has none.

    Raises:
        NotPermitted: It is no user's login.
    """
    if principal.kind is not PrincipalKind.USER or principal.session is None:
        raise NotPermitted(principal.subject, "do this without a login", code="login_required")
    return Login(principal.id, principal.session)


def origin_of(request: Request) -> Origin:
    """Return where a request comes from."""
    return Origin(client_of(request.scope), request.headers.get("user-agent", ""))


def login_answer(
    found: Opened | Challenge, rooms: AuthRooms, cookies: Cookies | None, response: Response
) -> LoginAnswer:
    """Return what a login answers; with `cookies` the tokens are in them and not in the body."""
    if isinstance(found, Challenge):
        return LoginAnswer(status="second_factor_required", challenge=found.token)
    session, lasts = found.session, seconds(rooms.ground.terms.access)
    if cookies is not None:
        cookies.keep(response, found, rooms.ground.clock.now(), lasts)
    bare = cookies is None
    return LoginAnswer(
        status="authenticated",
        access_token=found.access_token if bare else None,
        token_type="Bearer" if bare else None,
        expires_in=lasts,
        refresh_token=found.refresh_token if bare else None,
        csrf_token=None if bare else session.csrf,
        session_id=session.id,
        session_expires_at=session.expires,
        must_enrol=found.must_enrol,
    )


def me_answer(user: User, principal: Principal, session: str) -> MeAnswer:
    """Return who is logged in."""
    strategies = user.strategies
    return MeAnswer(
        user_id=user.id,
        name=user.name,
        email=user.email,
        roles=sorted(principal.roles),
        permissions=sorted(principal.permissions),
        strategies=None if strategies is None else sorted(strategies),
        second_factor=user.totp is not None,
        recovery_codes_left=len(user.recovery),
        session_id=session,
    )


def session_answer(session: UserSession, present: str) -> SessionAnswer:
    """Return a login as it is listed."""
    return SessionAnswer(
        session_id=session.id,
        started_at=session.started,
        expires_at=session.expires,
        address=session.address,
        agent=session.agent,
        second_factor=session.second_factor,
        present=session.id == present,
    )


def user_answer(user: User) -> UserAnswer:
    """Return an account without what is secret."""
    return UserAnswer(
        user_id=user.id,
        name=user.name,
        email=user.email,
        roles=sorted(user.roles),
        strategies=None if user.strategies is None else sorted(user.strategies),
        disabled=user.disabled,
        has_password=user.password is not None,
        second_factor=user.totp is not None,
        linked=user.subject is not None,
        failures=user.failures,
        locked_until=user.locked_until,
        created_at=user.created_at,
        updated_at=user.updated_at,
    )


def setup_answer(made: Setup) -> SetupAnswer:
    """Return an account and its one-time token."""
    return SetupAnswer(user=user_answer(made.user), setup_token=made.token, expires_at=made.until)

"""Routes by which users look at and change their own account and logins."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from tradewright.core.access import Permission
from tradewright.core.errors import MissingData
from tradewright.services.auth.answers import (
    Rooms,
    login_answer,
    login_of,
    me_answer,
    origin_of,
    session_answer,
)
from tradewright.services.auth.cookies import Cookies
from tradewright.services.limits import Limit, limited
from tradewright.services.security import CurrentPrincipal, GuardedRoute, needs
from tradewright.wire.auth import (
    ConfirmAnswer,
    ConfirmRequest,
    EnrolAnswer,
    EnrolRequest,
    LoginAnswer,
    MeAnswer,
    PasswordRequest,
    RemoveRequest,
    RevokedAnswer,
    SessionsAnswer,
)

router: Final = APIRouter(prefix="/api/v1/auth", route_class=GuardedRoute)
_OWN: Final = [needs(Permission.MANAGE_OWN_SESSION)]
_GUESSABLE: Final = [*_OWN, limited(Limit.LOGINS)]
_NO_CONTENT: Final = 204
SessionId = Annotated[str, Path(min_length=1, max_length=128, pattern=r"^[0-9a-f]+$")]


@router.get("/me", dependencies=_OWN)
async def me(principal: CurrentPrincipal, rooms: Rooms) -> MeAnswer:
    """Tell who is logged in and what that allows."""
    present = login_of(principal)
    return me_answer(await rooms.ground.user(present.user), principal, present.session)


@router.get("/sessions", dependencies=_OWN)
async def sessions(principal: CurrentPrincipal, rooms: Rooms) -> SessionsAnswer:
    """List one's live logins."""
    present = login_of(principal)
    found = await rooms.ground.sessions.of_user(present.user)
    return SessionsAnswer(sessions=[session_answer(one, present.session) for one in found])


@router.delete("/sessions", dependencies=_OWN)
async def revoke_sessions(principal: CurrentPrincipal, rooms: Rooms) -> RevokedAnswer:
    """End all of one's logins, the present one too."""
    present = login_of(principal)
    user = await rooms.ground.user(present.user)
    return RevokedAnswer(revoked=await rooms.register.revoke_sessions(user.id, user.name))


@router.delete("/sessions/{session_id}", status_code=_NO_CONTENT, dependencies=_OWN)
async def revoke_session(
    session_id: SessionId, principal: CurrentPrincipal, rooms: Rooms
) -> Response:
    """End one of one's logins."""
    present = login_of(principal)
    user = await rooms.ground.user(present.user)
    if not await rooms.register.revoke_session(user.id, session_id, user.name):
        raise MissingData("sessions", "you have no live login of this id")
    return Response(status_code=_NO_CONTENT)


@router.post("/password", dependencies=_GUESSABLE)
async def change_password(
    asked: PasswordRequest,
    request: Request,
    response: Response,
    principal: CurrentPrincipal,
    rooms: Rooms,
) -> LoginAnswer:
    """Change one's password; every login ends and a fresh one is answered."""
    present = login_of(principal)
    opened = await rooms.own.change_password(
        present.user,
        present.session,
        asked.present.get_secret_value(),
        asked.following.get_secret_value(),
        origin_of(request),
    )
    return login_answer(opened, rooms, _cookies(request, rooms), response)


@router.post("/second-factor/enrol", dependencies=_GUESSABLE)
async def enrol(asked: EnrolRequest, principal: CurrentPrincipal, rooms: Rooms) -> EnrolAnswer:
    """Begin to enrol an authenticator."""
    present = login_of(principal)
    password = asked.password.get_secret_value() if asked.password else None
    begun = await rooms.own.begin_enrolment(present.user, present.session, password)
    return EnrolAnswer(secret=begun.secret, otpauth_uri=begun.uri)


@router.post("/second-factor/confirm", dependencies=_GUESSABLE)
async def confirm(
    asked: ConfirmRequest,
    request: Request,
    response: Response,
    principal: CurrentPrincipal,
    rooms: Rooms,
) -> ConfirmAnswer:
    """Show the authenticator's first code; every login ends and a fresh one is answered."""
    present = login_of(principal)
    codes, opened = await rooms.own.confirm_enrolment(
        present.user, present.session, asked.code.get_secret_value(), origin_of(request)
    )
    login = login_answer(opened, rooms, _cookies(request, rooms), response)
    return ConfirmAnswer(recovery_codes=list(codes), login=login)


@router.post("/second-factor/remove", dependencies=_GUESSABLE)
async def remove(
    asked: RemoveRequest,
    request: Request,
    response: Response,
    principal: CurrentPrincipal,
    rooms: Rooms,
) -> LoginAnswer:
    """Take the second factor away; every login ends and a fresh one is answered."""
    present = login_of(principal)
    opened = await rooms.own.remove_second_factor(
        present.user,
        present.session,
        asked.password.get_secret_value() if asked.password else None,
        asked.code.get_secret_value(),
        origin_of(request),
    )
    return login_answer(opened, rooms, _cookies(request, rooms), response)


def _cookies(request: Request, rooms: Rooms) -> Cookies | None:
    found = Cookies(request, rooms.settings)
    return found if found.brought else None

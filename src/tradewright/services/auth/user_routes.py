"""Routes by which admins keep the register of users."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path

from tradewright.core.access import Permission
from tradewright.services.auth.answers import Rooms, session_answer, setup_answer, user_answer
from tradewright.services.auth.register import Change, Entry
from tradewright.services.security import CurrentPrincipal, GuardedRoute, needs
from tradewright.wire.auth import (
    ResetRequest,
    RevokedAnswer,
    SessionsAnswer,
    SetupAnswer,
    UserAnswer,
    UserChange,
    UserRequest,
    UsersAnswer,
)

router: Final = APIRouter(
    prefix="/api/v1/auth/users",
    route_class=GuardedRoute,
    dependencies=[needs(Permission.MANAGE_USERS)],
)
UserId = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9-]+$")]
_CREATED: Final = 201


@router.get("")
async def users(rooms: Rooms) -> UsersAnswer:
    """List every account."""
    return UsersAnswer(users=[user_answer(user) for user in await rooms.register.users()])


@router.post("", status_code=_CREATED)
async def create(asked: UserRequest, principal: CurrentPrincipal, rooms: Rooms) -> SetupAnswer:
    """Make an account; the answer holds the one-time token with which its user sets a password."""
    strategies = None if asked.every_strategy else asked.strategies
    entry = Entry(asked.name, asked.roles, asked.email, strategies)
    return setup_answer(await rooms.register.create(entry, principal.subject))


@router.get("/{user_id}")
async def user(user_id: UserId, rooms: Rooms) -> UserAnswer:
    """Show an account."""
    return user_answer(await rooms.register.user(user_id))


@router.patch("/{user_id}")
async def change(
    user_id: UserId, asked: UserChange, principal: CurrentPrincipal, rooms: Rooms
) -> UserAnswer:
    """Change an account; its logins end."""
    wanted = Change(
        asked.roles, asked.strategies, asked.every_strategy, asked.email, asked.disabled
    )
    return user_answer(await rooms.register.change(user_id, wanted, principal.subject))


@router.post("/{user_id}/unlock")
async def unlock(user_id: UserId, principal: CurrentPrincipal, rooms: Rooms) -> UserAnswer:
    """Forget an account's failed attempts and its lock."""
    return user_answer(await rooms.register.unlock(user_id, principal.subject))


@router.post("/{user_id}/reset")
async def reset(
    user_id: UserId, asked: ResetRequest, principal: CurrentPrincipal, rooms: Rooms
) -> SetupAnswer:
    """Take an account's password away and answer a one-time token to set another."""
    made = await rooms.register.reset(user_id, principal.subject, second_factor=asked.second_factor)
    return setup_answer(made)


@router.get("/{user_id}/sessions")
async def sessions(user_id: UserId, rooms: Rooms) -> SessionsAnswer:
    """List an account's live logins."""
    found = await rooms.register.sessions(user_id)
    return SessionsAnswer(sessions=[session_answer(one, "") for one in found])


@router.delete("/{user_id}/sessions")
async def revoke(user_id: UserId, principal: CurrentPrincipal, rooms: Rooms) -> RevokedAnswer:
    """End every login of an account."""
    return RevokedAnswer(revoked=await rooms.register.revoke_sessions(user_id, principal.subject))

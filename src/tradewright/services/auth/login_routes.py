"""Routes to log in, stay in and log out; open to all, since nobody is known before."""

from __future__ import annotations

import html
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.responses import Response

from tradewright.core.access import Permission
from tradewright.services.app import Have
from tradewright.services.auth.answers import Rooms, login_answer, login_of, origin_of
from tradewright.services.auth.cookies import Cookies
from tradewright.services.auth.desk import Challenge
from tradewright.services.limits import Limit, limited
from tradewright.services.security import CurrentPrincipal, GuardedRoute, needs, public
from tradewright.wire.auth import (
    CALLBACK_PATH,
    LOGIN_PATH,
    REFRESH_PATH,
    KeySetAnswer,
    LoginAnswer,
    LoginRequest,
    RefreshRequest,
    SecondFactorRequest,
    SetupRequest,
)
from tradewright.wire.signing import CSRF_HEADER

router: Final = APIRouter(route_class=GuardedRoute)
_STRANGERS: Final = [public("who logs in is not known yet"), limited(Limit.LOGINS)]
_NO_CONTENT: Final = 204
# A browser that another site sent here does not send its strict cookies on to where it is sent
# next; from a page of ours it does.
_PAGE: Final = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Logged in</title>'
    '<meta http-equiv="refresh" content="0;url={url}"></head>'
    '<body><a href="{url}">Go on</a></body></html>'
)


@router.post(LOGIN_PATH, dependencies=_STRANGERS)
async def login(
    asked: LoginRequest, request: Request, response: Response, rooms: Rooms
) -> LoginAnswer:
    """Log in with a name and a password; the answer may ask for a second factor."""
    password = asked.password.get_secret_value()
    found = await rooms.desk.login(asked.name, password, origin_of(request))
    cookies = Cookies(request, rooms.settings) if asked.cookies else None
    return login_answer(found, rooms, cookies, response)


@router.post("/api/v1/auth/second-factor", dependencies=_STRANGERS)
async def second_factor(
    asked: SecondFactorRequest, request: Request, response: Response, rooms: Rooms
) -> LoginAnswer:
    """Answer a challenge with a code of the authenticator, or a recovery code."""
    challenge, code = asked.challenge.get_secret_value(), asked.code.get_secret_value()
    found = await rooms.desk.second_factor(challenge, code, origin_of(request))
    cookies = Cookies(request, rooms.settings) if asked.cookies else None
    return login_answer(found, rooms, cookies, response)


@router.post(REFRESH_PATH, dependencies=[public("the refresh token is what is shown")])
async def refresh(
    asked: RefreshRequest, request: Request, response: Response, rooms: Rooms
) -> LoginAnswer:
    """Exchange a refresh token; one that comes back after it was used ends the session."""
    cookies = Cookies(request, rooms.settings)
    if asked.refresh_token is not None:
        found = await rooms.desk.refresh(asked.refresh_token.get_secret_value(), None)
        return login_answer(found, rooms, None, response)
    csrf = request.headers.get(CSRF_HEADER, "")
    found = await rooms.desk.refresh(cookies.refresh_token, csrf)
    return login_answer(found, rooms, cookies, response)


@router.post(
    "/api/v1/auth/logout",
    status_code=_NO_CONTENT,
    dependencies=[needs(Permission.MANAGE_OWN_SESSION)],
)
async def logout(request: Request, principal: CurrentPrincipal, rooms: Rooms) -> Response:
    """End the present login, in every service at once."""
    present = login_of(principal)
    user = await rooms.ground.user(present.user)
    await rooms.desk.logout(present.session, user.name)
    response = Response(status_code=_NO_CONTENT)
    Cookies(request, rooms.settings).forget(response)
    return response


@router.post("/api/v1/auth/setup", status_code=_NO_CONTENT, dependencies=_STRANGERS)
async def set_up(asked: SetupRequest, rooms: Rooms) -> Response:
    """Set the first password of an account with the one-time token of its admin."""
    token, password = asked.token.get_secret_value(), asked.password.get_secret_value()
    await rooms.own.set_up(token, password)
    return Response(status_code=_NO_CONTENT)


@router.get(f"{LOGIN_PATH}/oidc", response_class=RedirectResponse, dependencies=_STRANGERS)
async def login_elsewhere(request: Request, rooms: Rooms) -> Response:
    """Send a browser to the identity provider."""
    departure = await rooms.federation.depart()
    response = RedirectResponse(departure.url, status_code=303)
    Cookies(request, rooms.settings).keep_state(response, departure.state)
    return response


@router.get(CALLBACK_PATH, response_class=HTMLResponse, dependencies=_STRANGERS)
async def callback(
    request: Request,
    rooms: Rooms,
    state: Annotated[str, Query(max_length=512)] = "",
    code: Annotated[str, Query(max_length=4096)] = "",
) -> Response:
    """Take a browser back from the identity provider, log it in and send it to the console.

    With a challenge for the second factor the console finds it behind the `#` of its address.
    """
    cookies = Cookies(request, rooms.settings)
    found = await rooms.federation.arrive(state, cookies.state, code, origin_of(request))
    url = rooms.settings.auth_after_login_url
    if isinstance(found, Challenge):
        url = f"{url}#challenge={found.token}"
    response = HTMLResponse(_PAGE.format(url=html.escape(url, quote=True)))
    login_answer(found, rooms, cookies, response)
    cookies.forget_state(response)
    return response


@router.get("/.well-known/jwks.json", dependencies=[public("public keys are for everybody")])
async def key_set(resources: Have) -> KeySetAnswer:
    """Tell the keys with which tokens are verified."""
    return KeySetAnswer.model_validate(resources.signer.key_set())

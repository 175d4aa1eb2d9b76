"""`tradewright auth`: the first admin, and what an operator on this machine may mend.

These commands work on the database itself, so they let an admin in again whom strangers keep
locked out. Each is written into the audit log under the account that runs it.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from tradewright.bootstrap import (
    load_settings,
    make_missing_keys,
    rotate_signing_key,
    secret_store,
    service_databases,
    service_resources,
)
from tradewright.cli.services.actor import actor
from tradewright.cli.show import show_json, show_line
from tradewright.core.access import Role
from tradewright.core.access.accounts import role_of
from tradewright.core.errors import ConfigError, ConflictError, InvalidInput, MissingData

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tradewright.core.access.accounts import User
    from tradewright.core.records import Body
    from tradewright.services.auth.register import Change, Grant, Register, Setup

_Result = TypeVar("_Result")

app = typer.Typer(
    help="Make the first admin, keep accounts and keys, end logins.", no_args_is_help=True
)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON alone.")]
Name = Annotated[str, typer.Argument(help="The name of the account.")]
Roles = Annotated[
    list[str] | None,
    typer.Option("--role", help="viewer, researcher, operator, risk_officer or admin; again."),
]
Strategies = Annotated[
    list[str] | None, typer.Option("--strategy", help="A strategy that may be traded; again.")
]
EveryStrategy = Annotated[
    bool, typer.Option("--every-strategy", help="Allow trading every strategy.")
]
Email = Annotated[
    str | None, typer.Option("--email", help="Address that the identity provider knows.")
]


@app.command("init")
def init_(
    *,
    name: Annotated[str, typer.Option("--name", help="The name of the admin.")] = "admin",
    email: Email = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make the first admin, and the keys of logins where there are none."""
    from tradewright.services.auth.register import Entry

    password = _password(from_stdin=password_stdin)
    entry = Entry(name, frozenset({Role.ADMIN}), email, strategies=None)

    async def make(register: Register) -> tuple[User, tuple[str, ...]]:
        if any(user.is_admin for user in await register.users()):
            raise _admin_exists()
        register.check(entry, password)
        settings = load_settings()
        made = make_missing_keys(settings, secret_store(settings))
        try:
            return await register.create_first_admin(entry, password, actor()), made
        except ConflictError as error:
            raise _admin_exists() from error

    user, made = _with_register(make)
    if as_json:
        show_json({"user": _facts(user), "keys": [*made]})
        return
    for key in made:
        show_line(f"made {key} in {load_settings().secrets_folder}")
    show_line(f"{user.name} is the first admin")


@app.command("add-user")
def add_user(
    name: Name,
    *,
    email: Email = None,
    roles: Roles = None,
    strategies: Strategies = None,
    every_strategy: EveryStrategy = False,
    as_json: AsJson = False,
) -> None:
    """Make an account and print the one-time token with which its user sets a password."""
    from tradewright.services.auth.register import Entry

    granted = None if every_strategy else frozenset(strategies or ())
    entry = Entry(name, frozenset(role_of(role) for role in roles or ["viewer"]), email, granted)
    made = _with_register(lambda register: register.create(entry, actor()))
    _show_setup(made, as_json=as_json)


@app.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """List every account."""
    users = _with_register(lambda register: register.users())
    if as_json:
        show_json({"users": [_facts(user) for user in users]})
        return
    for user in users:
        marks = [word for word, so in _marks(user).items() if so]
        roles = ",".join(sorted(user.roles)) or "-"
        show_line(" ".join([user.name, roles, *marks]))


@app.command("show")
def show_(name: Name, *, as_json: AsJson = False) -> None:
    """Show an account: its roles, the strategies it may trade, and how it stands."""
    _show_user(_with_register(lambda register: _named(register, name)), as_json=as_json)


@app.command("grant")
def grant(
    name: Name,
    *,
    roles: Roles = None,
    strategies: Strategies = None,
    every_strategy: EveryStrategy = False,
    as_json: AsJson = False,
) -> None:
    """Give an account roles and strategies beside those it has; its logins end."""
    from tradewright.services.auth.register import Change

    given = _grant(roles, strategies, every=every_strategy)
    change = Change(every_strategy=every_strategy or None, granted=given)
    _show_user(_changed(name, change), as_json=as_json)


@app.command("withdraw")
def withdraw(
    name: Name,
    *,
    roles: Roles = None,
    strategies: Strategies = None,
    every_strategy: Annotated[
        bool,
        typer.Option("--every-strategy", help="Leave it only the strategies that it has by name."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Take roles and strategies from an account; its logins end. Never the last admin's role."""
    from tradewright.services.auth.register import Change

    taken = _grant(roles, strategies, every=every_strategy)
    change = Change(every_strategy=False if every_strategy else None, withdrawn=taken)
    _show_user(_changed(name, change), as_json=as_json)


@app.command("disable")
def disable(name: Name, *, as_json: AsJson = False) -> None:
    """Disable an account and end its logins; never the last admin."""
    from tradewright.services.auth.register import Change

    _show_user(_changed(name, Change(disabled=True)), as_json=as_json)


@app.command("enable")
def enable(name: Name, *, as_json: AsJson = False) -> None:
    """Let a disabled account in again."""
    from tradewright.services.auth.register import Change

    _show_user(_changed(name, Change(disabled=False)), as_json=as_json)


@app.command("unlock")
def unlock(name: Name, *, as_json: AsJson = False) -> None:
    """Forget an account's failed attempts and its lock."""

    async def mend(register: Register) -> User:
        return await register.unlock((await _named(register, name)).id, actor())

    _show_user(_with_register(mend), as_json=as_json)


@app.command("reset-password")
def reset_password(
    name: Name,
    *,
    second_factor: Annotated[
        bool, typer.Option("--second-factor", help="Take the second factor away too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Take an account's password away and print a one-time token to set another."""

    async def reset(register: Register) -> Setup:
        user = await _named(register, name)
        return await register.reset(user.id, actor(), second_factor=second_factor)

    _show_setup(_with_register(reset), as_json=as_json)


@app.command("sessions")
def sessions(name: Name, *, as_json: AsJson = False) -> None:
    """List an account's live logins."""

    async def read(register: Register) -> list[Body]:
        found = await register.sessions((await _named(register, name)).id)
        return [
            {
                "session_id": one.id,
                "started_at": one.started.isoformat(),
                "expires_at": one.expires.isoformat(),
                "address": one.address,
                "second_factor": one.second_factor,
            }
            for one in found
        ]

    listed = _with_register(read)
    if as_json:
        show_json({"sessions": [*listed]})
        return
    for one in listed:
        show_line(f"{one['session_id']} since {one['started_at']} from {one['address']}")


@app.command("revoke")
def revoke(
    name: Name,
    *,
    session: Annotated[
        str | None, typer.Option("--session", help="Only the login of this id.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """End an account's logins, in every service at once."""

    async def end(register: Register) -> int:
        user = await _named(register, name)
        if session is None:
            return await register.revoke_sessions(user.id, actor())
        return int(await register.revoke_session(user.id, session, actor()))

    ended = _with_register(end)
    if as_json:
        show_json({"revoked": ended})
    else:
        show_line(f"{ended} logins of {name} were ended")


@app.command("rotate-keys")
def rotate_keys(*, as_json: AsJson = False) -> None:
    """Sign tokens with a fresh key from now on; those of the present one stay good."""
    settings = load_settings()
    secrets = secret_store(settings)

    async def rotate(register: Register) -> tuple[str, str]:
        if "JWT_SIGNING_KEY" in make_missing_keys(settings, secrets):
            old, new = "", "the first key"
        else:
            old, new = rotate_signing_key(settings)
        await register.note_keys(actor(), old=old, new=new)
        return old, new

    old, new = _with_register(rotate)
    if as_json:
        show_json({"old": old, "new": new})
    else:
        show_line(f"tokens are signed with {new}" + (f" in the place of {old}" if old else ""))


def _with_register(ask: Callable[[Register], Awaitable[_Result]]) -> _Result:
    settings = load_settings()

    async def asked() -> _Result:
        from tradewright.services.auth.app import rooms_of

        async with service_resources(settings, found, "cli") as resources:
            return await ask(rooms_of(resources).register)

    with service_databases(settings) as found:
        return asyncio.run(asked())


async def _named(register: Register, name: str) -> User:
    for user in await register.users():
        if name.strip().lower() in {user.name, user.id}:
            return user
    raise MissingData("users", f"nobody is called {name!r}", "see `tradewright auth list`")


def _grant(roles: list[str] | None, strategies: list[str] | None, *, every: bool) -> Grant:
    from tradewright.services.auth.register import Grant

    if not (roles or strategies or every):
        rule = "is not given, so nothing would change"
        raise InvalidInput("--role", "", rule, "give --role, --strategy or --every-strategy")
    return Grant(frozenset(role_of(role) for role in roles or ()), frozenset(strategies or ()))


def _changed(name: str, change: Change) -> User:
    async def changed(register: Register) -> User:
        user = await _named(register, name)
        return await register.change(user.id, change, actor())

    return _with_register(changed)


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        rule = "is asked on a terminal, and there is none"
        raise InvalidInput("password", "(hidden)", rule, "pipe it in with --password-stdin")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


def _admin_exists() -> ConfigError:
    return ConfigError(
        "there is an admin already",
        "use `tradewright auth add-user`, `unlock` or `reset-password`",
    )


def _marks(user: User) -> dict[str, bool]:
    return {
        "disabled": user.disabled,
        "locked": user.failures > 0 and user.locked_until is not None,
        "no-password": user.password is None,
        "second-factor": user.totp is not None,
    }


def _facts(user: User) -> Body:
    strategies = user.strategies
    return {
        "user_id": user.id,
        "name": user.name,
        "email": user.email,
        "roles": [*sorted(user.roles)],
        "strategies": None if strategies is None else [*sorted(strategies)],
        "disabled": user.disabled,
        "second_factor": user.totp is not None,
        "has_password": user.password is not None,
        "failures": user.failures,
        "locked_until": user.locked_until.isoformat() if user.locked_until else None,
    }


def _show_user(user: User, *, as_json: bool) -> None:
    if as_json:
        show_json({"user": _facts(user)})
        return
    marks = [word for word, so in _marks(user).items() if so]
    held = user.strategies
    trades = "every strategy" if held is None else ",".join(sorted(held)) or "no strategy"
    show_line(" ".join([user.name, ",".join(sorted(user.roles)) or "-", *marks]))
    show_line(f"may trade {trades}")


def _show_setup(made: Setup, *, as_json: bool) -> None:
    if as_json:
        show_json(
            {
                "user": _facts(made.user),
                "setup_token": made.token,
                "expires_at": made.until.isoformat(),
            }
        )
        return
    show_line(f"{made.user.name} sets a password at POST /api/v1/auth/setup, once, with the token")
    show_line(made.token)
    show_line(f"until {made.until:%Y-%m-%d %H:%M} UTC")

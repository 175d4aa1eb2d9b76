"""`tradewright certs`: our certificate authority: issue, renew, revoke, and look what expires.

The authority's folder may lie on a machine of its own: services need `ca.crt` and `ca.crl` alone.
What is done is written into the audit log, on disk where no database answers; a certificate that
could not be recorded is not handed out.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import typer

from tradewright.bootstrap import (
    authority,
    certificates_left,
    load_settings,
    random_id,
    record,
    secret_store,
)
from tradewright.cli.services.actor import actor
from tradewright.cli.show import show_json, show_line
from tradewright.core.access.certificates import Issued, Purpose, Reason
from tradewright.core.clock import SystemClock
from tradewright.core.errors import ConfigError, InvalidInput, SafetyError, TradewrightError
from tradewright.core.records import Note
from tradewright.data.durable import write_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from tradewright.bootstrap.records import Authority, Handed
    from tradewright.core.records import Body, JsonValue

CA_SECRET: Final = "CA_KEY_PASSPHRASE"  # noqa: S105 - the name of a secret
KEY_SECRET: Final = "CERT_KEY_PASSPHRASE"  # noqa: S105 - the name of a secret
WARN_DAYS: Final = 30
WARN_LIST_DAYS: Final = 7

_Result = TypeVar("_Result")

app = typer.Typer(help="Our certificate authority for operators.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="The user's id or login name; a host with --server.")]
Out = Annotated[Path, typer.Option("--out", help="The folder to put the files in.")]
Days = Annotated[int, typer.Option("--days", min=1, max=825, help="Days that it is good.")]
ListDays = Annotated[
    int, typer.Option("--list-days", min=1, max=90, help="Days that the revocation list is good.")
]
Server = Annotated[bool, typer.Option("--server", help="For a service that is called, by host.")]
Open = Annotated[bool, typer.Option("--open-key", help="Leave the key without a passphrase.")]
Request = Annotated[
    Path | None, typer.Option("--csr", help="A signing request (PEM): the key stays where it is.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON alone.")]


@app.command("init")
def init(
    *,
    label: Annotated[str, typer.Option("--label", help="The authority's name.")] = "operators",
    list_days: ListDays = 30,
) -> None:
    """Make the authority, its key sealed by the passphrase CA_KEY_PASSPHRASE or one you type."""
    found = _authority(confirm=True)
    # A second authority of the same name would be taken for the first.
    name = f"{label} {random_id()[:8]}"
    _done(
        "authority_made",
        {"name": name, "list_days": list_days},
        lambda: found.init(name, _now(), list_days=list_days),
    )
    show_line(f"the authority is in {load_settings().ca_folder}; back its folder up off-line")


@app.command("issue")
def issue(
    name: Name,
    *,
    out: Out = Path(),
    days: Days = 365,
    server: Server = False,
    csr: Request = None,
    open_key: Open = False,
) -> None:
    """Issue a certificate and its key, sealed by CERT_KEY_PASSPHRASE or what you type."""
    handed = _issue(name, days=days, server=server, csr=csr, open_key=open_key)
    _hand_out("certificate_issued", handed, out)


@app.command("renew")
def renew(
    name: Name,
    *,
    out: Out = Path(),
    days: Days = 365,
    server: Server = False,
    csr: Request = None,
    open_key: Open = False,
) -> None:
    """Issue the next certificate of a name that has one; the old one stays good until it ends."""
    now = _now()
    held = [one for one in _authority().issued() if one.name == name and one.revoked is None]
    if not held:
        remedy = "issue one with `tradewright certs issue`"
        raise InvalidInput("NAME", name, "has no certificate to renew", remedy)
    handed = _issue(name, days=days, server=server, csr=csr, open_key=open_key)
    _hand_out("certificate_renewed", handed, out)
    for one in held:
        if one.is_good(now):
            show_line(f"{one.number} stays good until {one.end:%Y-%m-%d}")


@app.command("revoke")
def revoke(
    who: Annotated[str, typer.Argument(help="A name: all it has; or one serial number.")],
    *,
    reason: Annotated[Reason, typer.Option("--reason", help="Why.")] = Reason.UNSPECIFIED,
    list_days: ListDays = 30,
) -> None:
    """Revoke certificates at once: services read the new list with the next request."""
    facts: Body = {"who": who, "reason": reason.value}
    revoked = _done(
        "certificates_revoked",
        facts,
        lambda: _authority().revoke(who, reason, _now(), list_days=list_days),
    )
    for one in revoked:
        show_line(f"revoked {one.number} of {one.name}")
    show_line(f"copy {_authority().list_path} to wherever services run elsewhere")


@app.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """List every certificate that was issued."""
    now = _now()
    issued = _authority().issued()
    if as_json:
        show_json({"certificates": [_row(one, now) for one in issued]})
        return
    for one in issued:
        until = f"{one.end:%Y-%m-%d}"
        show_line(f"{one.number} {one.name} {one.purpose.value} until {until} {_state(one, now)}")


@app.command("crl")
def crl(*, list_days: ListDays = 30) -> None:
    """Sign the revocation list anew; do so before it goes stale, or nobody is let in."""
    found = _authority()
    _done(
        "revocation_list_signed",
        {"list_days": list_days},
        lambda: found.refresh_list(_now(), list_days=list_days),
    )
    show_line(f"{found.list_path} is good for {list_days} days")


@app.command("check")
def check(*, as_json: AsJson = False) -> None:
    """Look what expires soon; exit 1 if a certificate has 30 days left, or the list 7."""
    now = _now()
    lines = [*_files(now), *_held(now)]
    if as_json:
        show_json({"fine": all(line["fine"] for line in lines), "looked_at": [*lines]})
    else:
        for line in lines:
            mark = "fine" if line["fine"] else "RENEW"
            show_line(f"{mark}: {line['what']}, {line['days_left']} days left")
        if not lines:
            show_line("there is no authority and no certificate here")
    raise typer.Exit(0 if all(line["fine"] for line in lines) else 1)


def _files(now: datetime) -> list[Body]:
    lines: list[Body] = []
    for what, (path, seconds) in certificates_left(load_settings(), now).items():
        least = WARN_LIST_DAYS if what == "revocation list" else WARN_DAYS
        lines.append(_line(f"{what} {path}", seconds, least))
    return lines


def _held(now: datetime) -> list[Body]:
    if not _authority().certificate_path.exists():
        return []
    newest: dict[str, Issued] = {}
    for one in _authority().issued():
        # Only a name's last certificate matters: an older one was renewed.
        if one.revoked is None and (one.name not in newest or one.end > newest[one.name].end):
            newest[one.name] = one
    return [
        _line(f"{one.name} {one.number}", (one.end - now).total_seconds(), WARN_DAYS)
        for one in newest.values()
    ]


def _line(what: str, seconds: float, least_days: int) -> Body:
    left = timedelta(seconds=seconds)
    return {"what": what, "days_left": left.days, "fine": left > timedelta(days=least_days)}


def _issue(name: str, *, days: int, server: bool, csr: Path | None, open_key: bool) -> Handed:
    phrase = None if csr or open_key or server else _phrase(KEY_SECRET, "the new key", confirm=True)
    try:
        request = csr.read_bytes() if csr else None
    except OSError as error:
        raise InvalidInput("--csr", str(csr), f"cannot be read: {error.strerror}") from error
    purpose = Purpose.SERVER if server else Purpose.CLIENT
    return _authority().issue(
        name, _now(), purpose=purpose, days=days, passphrase=phrase, request=request
    )


def _done(kind: str, facts: Body, do: Callable[[], _Result]) -> _Result:
    # Written down first: what cannot be recorded is not done.
    lasts = _recorded(kind, facts)
    try:
        result = do()
    except TradewrightError:
        _recorded(f"{kind}_failed", facts)
        raise
    _say(lasts=lasts)
    return result


def _recorded(kind: str, facts: Body) -> bool:
    return record(load_settings(), Note(_now(), actor(), kind, facts))


def _say(*, lasts: bool) -> None:
    if not lasts:
        typer.echo("the audit entry waits on this machine for the database", err=True)


def _hand_out(kind: str, handed: Handed, out: Path) -> None:
    issued = handed.issued
    facts: Body = {
        "name": issued.name,
        "serial": issued.number,
        "purpose": issued.purpose.value,
        "end": issued.end.isoformat(),
    }
    try:
        lasts = _recorded(kind, facts)
    except SafetyError as error:
        what = f"certificate {issued.number} was made and is not handed out; revoke it"
        raise SafetyError(f"{what}: {error}") from error
    for path in _put(handed, out):
        show_line(str(path))
    _say(lasts=lasts)


def _put(handed: Handed, out: Path) -> list[Path]:
    stem = f"{handed.issued.name}-{handed.issued.number[-8:]}"
    files = {".crt": (handed.certificate, 0o644), ".key": (handed.key, 0o600)}
    files[".p12"] = (handed.bundle, 0o600)
    put: list[Path] = []
    for ending, (content, mode) in files.items():
        if content is not None:
            path = out / f"{stem}{ending}"
            write_file(path, content, mode)
            put.append(path)
    return put


def _authority(*, confirm: bool = False) -> Authority:
    def phrase() -> str:
        return _phrase(CA_SECRET, "the authority's key", confirm=confirm)

    return authority(load_settings(), phrase)


def _phrase(secret: str, what: str, *, confirm: bool) -> str:
    secrets = secret_store(load_settings())
    if secret in secrets.names():
        return secrets.get(secret)
    if not sys.stdin.isatty():
        remedy = "put it into the environment or the folder of secrets, or run this at a terminal"
        raise ConfigError(f"the passphrase {secret} is not set", remedy)
    typed: str = typer.prompt(
        f"Passphrase of {what}", hide_input=True, confirmation_prompt=confirm, err=True
    )
    return typed


def _now() -> datetime:
    return SystemClock().now()


def _state(one: Issued, now: datetime) -> str:
    if one.revoked:
        return f"revoked {one.revoked:%Y-%m-%d} ({one.reason.value if one.reason else 'unknown'})"
    return "good" if one.is_good(now) else "expired"


def _row(one: Issued, now: datetime) -> JsonValue:
    return {
        "serial": one.number,
        "name": one.name,
        "purpose": one.purpose.value,
        "start": one.start.isoformat(),
        "end": one.end.isoformat(),
        "state": _state(one, now).split(" ", maxsplit=1)[0],
        "reason": one.reason.value if one.reason else None,
    }

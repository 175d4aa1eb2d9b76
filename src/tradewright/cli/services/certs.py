"""`tradewright certs`: our certificate authority: issue, renew, revoke, and look what expires.

The authority's folder may lie on a machine of its own: services need `ca.crt` and `ca.crl` alone.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from tradewright.bootstrap import (
    authority,
    certificates_left,
    load_settings,
    random_id,
    secret_store,
)
from tradewright.cli.show import show_json, show_line
from tradewright.core.access.certificates import Issued, Purpose, Reason
from tradewright.core.clock import SystemClock
from tradewright.core.errors import ConfigError, InvalidInput
from tradewright.data.durable import write_file

if TYPE_CHECKING:
    from datetime import datetime

    from tradewright.bootstrap.records import Authority, Handed
    from tradewright.core.records import Body, JsonValue

CA_SECRET: Final = "CA_KEY_PASSPHRASE"  # noqa: S105 - the name of a secret
KEY_SECRET: Final = "CERT_KEY_PASSPHRASE"  # noqa: S105 - the name of a secret
WARN_DAYS: Final = 30
WARN_LIST_DAYS: Final = 7

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
    found.init(f"{label} {random_id()[:8]}", _now(), list_days=list_days)
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
    for path in _put(handed, out):
        show_line(str(path))


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
    for path in _put(handed, out):
        show_line(str(path))
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
    for one in _authority().revoke(who, reason, _now(), list_days=list_days):
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
    found.refresh_list(_now(), list_days=list_days)
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

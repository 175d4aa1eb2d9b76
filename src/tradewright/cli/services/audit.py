"""`tradewright audit`: verify the audit log, list it, note its head somewhere else, or sign it."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from tradewright.bootstrap import (
    anchor_key,
    audit_table,
    databases,
    load_settings,
    make_anchor_key,
    waiting_audit,
)
from tradewright.cli.show import show_json, show_line
from tradewright.compliance.chain import Head
from tradewright.core.clock import SystemClock
from tradewright.core.errors import ConfigError, InvalidInput, MissingData
from tradewright.data.durable import write_file
from tradewright.ops.audit import AuditReport, verify_audit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from tradewright.compliance.anchors import Anchor
    from tradewright.core.records import Body, JournalEntry
    from tradewright.ports import AuditTable

_Result = TypeVar("_Result")
_HASH_LENGTH = 64

app = typer.Typer(help="Verify the audit log, list it, note its head.", no_args_is_help=True)
PublicKey = Annotated[
    Path | None,
    typer.Option("--key", help="The public half (PEM) of the key; unset: of AUDIT_ANCHOR_KEY."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON alone.")]


@app.command("verify")
def verify_(
    *,
    heads: Annotated[
        Path | None,
        typer.Option("--heads", help="A file of heads noted before, as `audit head` prints them."),
    ] = None,
    anchor: Annotated[
        Path | None, typer.Option("--anchor", help="A file of anchors, as `audit anchor` makes.")
    ] = None,
    key: PublicKey = None,
    as_json: AsJson = False,
) -> None:
    """Verify the chain; without --anchor or --heads a tail that was cut is not seen."""
    known = _heads(heads) if heads else []
    if anchor is not None:
        known += [one.head for one in _anchors(anchor, key)]
    report = _with_table(lambda table: verify_audit(table, known))
    waiting = dict(waiting_audit(load_settings()))
    if as_json:
        show_json(_body(report, len(known)) | {"waiting_bytes": {**waiting}})
    else:
        _say(report, len(known), waiting)
    raise typer.Exit(1 if report.broken else 0)


@app.command("list")
def list_(
    *,
    actor: Annotated[str | None, typer.Option("--actor", help="Whose entries.")] = None,
    kind: Annotated[str | None, typer.Option("--kind", help="Entries of this kind.")] = None,
    since: Annotated[
        str | None, typer.Option("--since", help="Entries from then on, as 2026-03-04T14:30.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List the newest entries, newest first; times are UTC."""
    start = _moment(since) if since else None

    async def read(table: AuditTable) -> Sequence[JournalEntry]:
        return await table.find(actor=actor, kind=kind, start=start, limit=limit)

    entries = _with_table(read)
    if as_json:
        show_json({"entries": [_entry(entry) for entry in entries]})
        return
    for entry in entries:
        body = json.dumps(dict(entry.body), sort_keys=True)
        show_line(f"{entry.seq} {entry.at:%Y-%m-%d %H:%M:%S} {entry.actor} {entry.kind} {body}")


@app.command("head")
def head_() -> None:
    """Print the newest link as one line of JSON; append it to a file on another machine."""

    async def read(table: AuditTable) -> JournalEntry | None:
        return await table.last()

    last = _with_table(read)
    line = {"seq": last.seq, "hash": last.hash, "at": last.at.isoformat()} if last else {"seq": 0}
    show_line(json.dumps(line))


@app.command("anchor")
def anchor_(
    *,
    out: Annotated[
        Path | None, typer.Option("--out", help="A file of anchors, to which this one is added.")
    ] = None,
) -> None:
    """Sign the head of a chain that verifies, also against the anchors in --out; print it."""
    from tradewright.compliance.anchors import sign_anchor

    private = anchor_key(load_settings())
    before = _anchors(out, None) if out is not None and out.exists() else []
    report = _with_table(lambda table: verify_audit(table, [one.head for one in before]))
    if report.broken:
        what = f"the chain is broken at entry {report.broken.seq}: {report.broken.fault.value}"
        raise ConfigError(f"{what}; it is not signed", "see docs/runbooks/audit.md")
    if not report.entries:
        raise MissingData("audit_log", "has no entry to sign", "come again once there is one")
    made = sign_anchor(report.head, SystemClock().now(), private)
    if out is not None:
        lines = [one.line() for one in (*before, made)]
        write_file(out, "".join(f"{line}\n" for line in lines).encode(), 0o644)
    show_line(made.line())


@app.command("anchor-key")
def anchor_key_() -> None:
    """Print the public half of the key that signs anchors; make the key if there is none."""
    from tradewright.compliance.anchors import public_half

    settings = load_settings()
    if made := make_anchor_key(settings):
        typer.echo(f"made AUDIT_ANCHOR_KEY in {made}", err=True)
    show_line(public_half(anchor_key(settings)).strip())


def _anchors(path: Path, key: Path | None) -> list[Anchor]:
    from tradewright.compliance.anchors import is_anchored, public_half, read_anchor

    lines = [line for line in _text("--anchor", path).splitlines() if line.strip()]
    public = _text("--key", key) if key else public_half(anchor_key(load_settings()))
    if not lines:
        raise InvalidInput("--anchor", str(path), "holds no anchor", "give a file that does")
    found = [read_anchor(line) for line in lines]
    forged = [number for number, one in enumerate(found, 1) if not is_anchored(one, public)]
    if forged:
        rule = f"has lines that this key did not sign: {', '.join(map(str, forged))}"
        raise InvalidInput("--anchor", str(path), rule, "find out who wrote them; see the runbook")
    return found


def _text(option: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidInput(option, str(path), f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(option, str(path), "is no text") from error


def _with_table(ask: Callable[[AuditTable], Awaitable[_Result]]) -> _Result:
    settings = load_settings()

    async def run() -> _Result:
        async with audit_table(found) as table:
            return await ask(table)

    with databases(settings) as found:
        return asyncio.run(run())


def _heads(path: Path) -> list[Head]:
    try:
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        noted = [json.loads(line) for line in lines]
        heads = [Head(int(one["seq"]), str(one["hash"])) for one in noted if one["seq"]]
    except OSError as error:
        rule = f"cannot be read: {error.strerror}"
        raise InvalidInput("--heads", str(path), rule, "give a file of heads") from error
    except (ValueError, KeyError, TypeError) as error:
        remedy = "one line of `tradewright audit head` each"
        raise InvalidInput("--heads", str(path), "is no file of heads", remedy) from error
    bad = [one for one in heads if one.seq < 1 or len(one.hash) != _HASH_LENGTH]
    if bad:
        raise InvalidInput("--heads", bad[0].seq, "is no head of a chain")
    return heads


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput("--since", text, "is no time", "as 2026-03-04T14:30") from error
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _body(report: AuditReport, heads: int) -> Body:
    broken = report.broken
    return {
        "intact": broken is None,
        "entries": report.entries,
        "head": {"seq": report.head.seq, "hash": report.head.hash},
        "heads_checked": heads,
        "gaps": report.gaps,
        "told_late": report.late,
        "damaged_spools": report.damaged,
        "first_bad_seq": broken.seq if broken else None,
        "fault": broken.fault.value if broken else None,
    }


def _say(report: AuditReport, heads: int, waiting: dict[str, int]) -> None:
    if report.broken:
        show_line(f"BROKEN at entry {report.broken.seq}: {report.broken.fault.value}")
        show_line("docs/runbooks/audit.md says what to do")
    else:
        against = f"against {heads} noted heads" if heads else "no noted head to compare with"
        show_line(f"{report.entries} entries hold together ({against})")
    if report.gaps:
        show_line(f"{report.late} entries came late, in {report.gaps} gaps")
    if report.damaged:
        show_line(f"{report.damaged} of these gaps tell of a damaged spool")
    for service, size in waiting.items():
        show_line(f"{size} bytes of {service} wait on this machine")


def _entry(entry: JournalEntry) -> Body:
    return {
        "seq": entry.seq,
        "at": entry.at.isoformat(),
        "actor": entry.actor,
        "kind": entry.kind,
        "body": dict(entry.body),
        "hash": entry.hash,
    }

"""`tradewright audit`: verify the audit log, list it, note its head somewhere else."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from tradewright.bootstrap import audit_table, databases, load_settings, waiting_audit
from tradewright.cli.show import show_json, show_line
from tradewright.compliance.chain import Head
from tradewright.core.errors import InvalidInput
from tradewright.ops.audit import AuditReport, verify_audit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from tradewright.core.records import Body, JournalEntry
    from tradewright.ports import AuditTable

_Result = TypeVar("_Result")
_HASH_LENGTH = 64

app = typer.Typer(help="Verify the audit log, list it, note its head.", no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON alone.")]


@app.command("verify")
def verify_(
    *,
    heads: Annotated[
        Path | None,
        typer.Option("--heads", help="A file of heads noted before, as `audit head` prints them."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Verify the chain of the audit log; without --heads a tail that was cut is not seen."""
    known = _heads(heads) if heads else []
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

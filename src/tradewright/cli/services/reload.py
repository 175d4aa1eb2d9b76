"""`tradewright config reload`: the services that run here read their settings anew.

Each is asked by a signed call and answers with what changed, or why nothing did; one that refuses
keeps what it has, whatever the others do.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from tradewright.bootstrap import Settings, load_settings, own_client
from tradewright.cli.services.crew import running_crew
from tradewright.cli.show import show_json, show_line
from tradewright.core.errors import PeerRefused, TradewrightError, UnknownName
from tradewright.wire.settings import RELOAD_PATH, ReloadResponse

if TYPE_CHECKING:
    from tradewright.core.records import Body, JsonValue


def reload_(
    names: Annotated[
        list[str] | None, typer.Argument(help="The services; without any, all that run here.")
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON alone.")] = False,
) -> None:
    """Have running services read their settings anew; 1 if one keeps what it has."""
    settings = load_settings()
    urls = {one.name: one.url for one in running_crew(settings).members}
    for name in names or ():
        if name not in urls:
            raise UnknownName("service", name, list(urls))
    rows: Body = {name: asyncio.run(_asked(settings, urls[name])) for name in names or urls}
    fine = all(isinstance(row, dict) and "refused" not in row for row in rows.values())
    if as_json:
        show_json({"reloaded": fine, "services": rows})
    else:
        for name, row in rows.items():
            show_line(f"{name}: {_told(row)}")
    raise typer.Exit(0 if fine else 1)


async def _asked(settings: Settings, url: str) -> JsonValue:
    import httpx

    from tradewright.ops.crew import trusting

    transport = httpx.AsyncHTTPTransport(verify=trusting(settings.tls_cert_path))
    async with own_client(settings, url, transport) as client:
        try:
            answer = await client.post(RELOAD_PATH)
        except PeerRefused as refused:
            return {"refused": refused.detail}
        except TradewrightError as error:
            return {"refused": str(error)}
    changed = ReloadResponse.model_validate(answer).changed
    return {"changed": {one.name: {"before": one.before, "after": one.after} for one in changed}}


def _told(row: JsonValue) -> str:
    assert isinstance(row, dict)  # noqa: S101 - made so above
    if "refused" in row:
        return f"keeps its settings: {row['refused']}"
    changed = row["changed"]
    assert isinstance(changed, dict)  # noqa: S101 - made so above
    if not changed:
        return "nothing has changed"
    parts = [
        f"{name}: {_plain(one['before'])}, now {_plain(one['after'])}"
        for name, one in changed.items()
        if isinstance(one, dict)
    ]
    return "; ".join(parts)


def _plain(value: JsonValue) -> str:
    return "unset" if value is None else str(value)

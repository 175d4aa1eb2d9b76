"""`tradewright config`: is what is set fit to start with, what is in force, what may be set.

All that is wrong is told at once. Values of secrets are shown to nobody, not even in part.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tradewright.bootstrap import (
    Settings,
    examined_settings,
    load_settings,
    production_faults,
    secret_store,
    shown_value,
    unfit_secrets,
)
from tradewright.cli.doctor import Finding, findings, show_findings
from tradewright.cli.services.reload import reload_
from tradewright.cli.show import show_json
from tradewright.core.access import SERVICE_PERMISSIONS
from tradewright.core.errors import ConfigError, InvalidInput
from tradewright.wire.signing import PREVIOUS, active_secrets, secret_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tradewright.core.records import JsonValue
    from tradewright.ports import SecretStore

_SCHEMA: Final = "https://json-schema.org/draft/2020-12/schema"
_STRICT: Final = frozenset({"staging", "production"})
_JSON: Final = typer.Option("--json", help="Print JSON alone.")
_FILE: Final = typer.Option("--file", help="The TOML file; tradewright.toml unless given.")

app = typer.Typer(help="Look at the settings, and have them read anew.", no_args_is_help=True)
app.command("reload")(reload_)


@app.command()
def check(
    *,
    file: Annotated[Path | None, _FILE] = None,
    services: Annotated[
        bool,
        typer.Option("--services", help="Ask for the secrets of services outside production too."),
    ] = False,
    connect: Annotated[
        bool, typer.Option("--connect", help="Ask databases and broker whether they answer.")
    ] = False,
    as_json: Annotated[bool, _JSON] = False,
) -> None:
    """Say all that is wrong with the settings and secrets; 1 if anything is."""
    settings, reading = examined_settings(file=file)
    found = [Finding("settings", fine=False, found=one, remedy=_MEND) for one in reading.wrong]
    if settings is not None:
        found += [
            Finding("production", fine=False, found=one, remedy=_MEND)
            for one in production_faults(settings)
        ]
        found += _secrets(settings, every=services or settings.environment in _STRICT)
        if not found:
            told = f"{settings.environment}; {len(reading.values)} set, the rest by default"
            found.append(Finding("settings", fine=True, found=told))
            found += findings(settings) if connect else []
    show_findings(found, as_json=as_json, title="Settings and secrets")
    raise typer.Exit(0 if all(one.fine for one in found) else 1)


_MEND: Final = "correct or remove it; `.env.example` lists every setting"


@app.command()
def show(
    *, file: Annotated[Path | None, _FILE] = None, as_json: Annotated[bool, _JSON] = False
) -> None:
    """Show every setting, where it comes from, and nothing of secrets."""
    settings = load_settings(file=file)
    _, reading = examined_settings(file=file)
    rows = shown(settings, reading.origins)
    if as_json:
        body: dict[str, JsonValue] = {
            name: {"value": value, "from": origin} for name, value, origin in rows
        }
        show_json(body)
        return
    table = Table(title="Settings", title_justify="left")
    for title in ("setting", "value", "from"):
        table.add_column(title, overflow="fold")
    for name, value, origin in rows:
        table.add_row(name, "" if value is None else escape(str(value)), escape(origin))
    Console().print(table)


@app.command()
def schema() -> None:
    """Print the JSON schema of tradewright.toml, for editors."""
    body = Settings.model_json_schema(by_alias=True)
    body["$schema"] = _SCHEMA
    body["title"] = "tradewright.toml"
    show_json(body)


def shown(settings: Settings, origins: Mapping[str, str]) -> list[tuple[str, JsonValue, str]]:
    """Return name, value and origin of each setting by name; of a secret only that it is set."""
    rows = [
        (str(field.alias), shown_value(getattr(settings, name)))
        for name, field in type(settings).model_fields.items()
    ]
    return sorted((name, value, origins.get(name, "default")) for name, value in rows)


def _secrets(settings: Settings, *, every: bool) -> list[Finding]:
    from tradewright.services.catalog import CATALOG

    store = secret_store(settings)
    own = {secret_name(service) for service in SERVICE_PERMISSIONS}
    needed = own | {name for make in CATALOG.values() for name in make().secrets}
    try:
        there = set(store.names())
    except ConfigError as error:
        # The server that keeps them does not tell them.
        return [Finding("secrets", fine=False, found=error.what, remedy=error.remedy)]
    wanted = needed if every else needed & there
    wrong = unfit_secrets(store, sorted(wanted))
    signing = own | {name + PREVIOUS for name in own}
    wrong += [
        f"the secret {name} {unfit}"
        for name in sorted(signing & there)
        if (unfit := _unfit(store, name))
    ]
    remedy = "`tradewright auth init` makes what is missing; docs/security.md says how to keep them"
    return [Finding("secrets", fine=False, found=one, remedy=remedy) for one in wrong]


def _unfit(store: SecretStore, name: str) -> str:
    try:
        active_secrets(store.get(name))
    except InvalidInput as error:
        return error.rule
    except ConfigError:
        # That it cannot be read at all has been told of every secret alike.
        return ""
    return ""

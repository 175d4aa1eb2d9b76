"""Fault scripts: TOML or JSON to rules, whole or not at all.

A rule is a table with a `name`, a `match` table and an `action`: a word, or a table whose `do` is
the word and whose other fields are its arguments. The first fault of a script that is wrong is
named with rule, field, value and remedy, and nothing of the script is applied.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, Final

from tradewright.core.errors import InvalidInput, UnknownName
from tradewright.exchange.faults.kinds import KINDS, MATCH, Kind, Table, table_of, text_of, whole
from tradewright.exchange.faults.rules import SUBMIT, Match, Phase, Rule, Twist

_REMEDIES: Final = {
    Phase.REQUEST: 'match a route, such as route = "POST /v2/orders"',
    Phase.HANDSHAKE: 'match a stream: stream = "trade_updates" or "market_data"',
    Phase.MESSAGE: 'match a stream: stream = "trade_updates" or "market_data"',
    Phase.TIME: "match a time of the market: at = 2024-01-03T14:30:00Z",
}


@dataclass(frozen=True, slots=True)
class Script:
    """Rules in their order, and the seed of what they leave to chance."""

    rules: tuple[Rule, ...]
    seed: int = 0


def read_toml(text: str) -> Script:
    """Read a script of TOML.

    Raises:
        InvalidInput: It is not TOML, or a rule is wrong.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        rule = f"is not TOML: {error}"
        raise InvalidInput("script", _short(text), rule, "write [[rule]] tables") from error
    return read_script(document)


def read_json(text: str) -> Script:
    """Read the same script of JSON.

    Raises:
        InvalidInput: It is not JSON, or a rule is wrong.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        rule = f"is not JSON: {error}"
        raise InvalidInput("script", _short(text), rule, 'write {"rule": [...]}') from error
    return read_script(document)


def read_script(document: object) -> Script:
    """Read a script that was parsed already.

    Raises:
        InvalidInput: A rule is wrong.
    """
    table = table_of("script", document)
    _known("script", table, {"rule", "seed"})
    given = table.get("rule", [])
    if not isinstance(given, list) or not given:
        raise InvalidInput("script: rule", given, "is not a list of rules", "write [[rule]] tables")
    rules: list[Rule] = []
    for place, each in enumerate(given, start=1):
        rule = _rule(place, each)
        if any(rule.name == other.name for other in rules):
            where = f"rule {rule.name!r}: name"
            raise InvalidInput(
                where, rule.name, "is used twice", "give each rule a name of its own"
            )
        rules.append(rule)
    return Script(tuple(rules), whole(0)("script: seed", table.get("seed", 0)))


def read_rule(source: Table) -> Rule:
    """Read one rule.

    Raises:
        InvalidInput: It is wrong.
    """
    return _rule(1, source)


def _rule(place: int, given: object) -> Rule:
    table = table_of(f"rule {place}", given)
    name = text_of(f"rule {place}: name", table.get("name"))
    where = f"rule {name!r}"
    _known(where, table, {"name", "match", "action"})
    word, arguments = _action(where, table.get("action"))
    kind = KINDS.get(word)
    if kind is None:
        raise UnknownName(f"{where}: action", word, sorted(KINDS))
    action = kind.make(**_arguments(where, word, kind, arguments))
    match = _match(where, {**kind.defaults, **table_of(f"{where}: match", table.get("match", {}))})
    rule = Rule(name, match, word, action, _plain(table))
    if isinstance(action, Twist) and match.route != SUBMIT:
        remedy = f'match route = "{SUBMIT}"'
        raise InvalidInput(f"{where}: match.route", match.route, "submits no order", remedy)
    if rule.phase not in kind.phases:
        remedy = " or ".join(sorted({_REMEDIES[phase] for phase in kind.phases}))
        raise InvalidInput(f"{where}: action", word, f"cannot strike a {rule.phase}", remedy)
    return rule


def _action(where: str, given: object) -> tuple[str, Table]:
    if isinstance(given, str):
        return given, {}
    if not isinstance(given, Mapping):
        remedy = 'write action = "drop_before" or action = { do = "delay_after", seconds = 2 }'
        raise InvalidInput(f"{where}: action", given, "is not an action", remedy)
    return text_of(f"{where}: action.do", given.get("do")), {
        key: value for key, value in given.items() if key != "do"
    }


def _arguments(where: str, word: str, kind: Kind, given: Table) -> dict[str, Any]:
    readers = {**kind.required, **kind.optional}
    _known(f"{where}: action {word}", given, set(readers))
    for name in kind.required:
        if name not in given:
            remedy = f'write {name} = ... beside do = "{word}"'
            raise InvalidInput(f"{where}: action.{name}", None, "is missing", remedy)
    return {
        name: readers[name](f"{where}: action.{name}", _plain(value))
        for name, value in given.items()
    }


def _match(where: str, given: Table) -> Match:
    _known(f"{where}: match", given, set(MATCH))
    read = {
        name: MATCH[name](f"{where}: match.{name}", value)
        for name, value in given.items()
        if value is not None
    }
    if len({"route", "stream", "at"} & set(read)) != 1:
        given_words = {name: value for name, value in given.items() if value is not None}
        remedy = 'say route = "POST /v2/orders", stream = "trade_updates" or at = a time'
        raise InvalidInput(f"{where}: match", given_words, "names no single place", remedy)
    if len({"nth", "every", "first"} & set(read)) > 1:
        remedy = "keep one of nth, every and first"
        raise InvalidInput(f"{where}: match", dict(given), "picks calls twice", remedy)
    match = Match(**read)
    if match.since is not None and match.until is not None and match.until <= match.since:
        remedy = "let until come after since"
        raise InvalidInput(f"{where}: match.until", str(given["until"]), "is not after", remedy)
    if match.event and not match.stream:
        raise InvalidInput(
            f"{where}: match.event", match.event, "belongs to a stream", "match a stream"
        )
    if match.query and not match.route:
        raise InvalidInput(
            f"{where}: match.query", match.query, "belongs to a route", "match a route"
        )
    return match


def _known(where: str, table: Table, fields: set[str]) -> None:
    for name in table:
        if name not in fields:
            raise UnknownName(f"{where}: field", str(name), sorted(fields))


def _plain(value: object) -> Any:  # noqa: ANN401 - whatever JSON holds
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return value


def _short(text: str) -> str:
    most = 60
    return text if len(text) <= most else f"{text[:most]}…"

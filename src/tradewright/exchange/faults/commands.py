"""Commands that a script gives: to the exchange at a call or at a time, with its facts filled in.

A command that the exchange refuses is written into the log and harms no one's request.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from tradewright.exchange.faults.judge import Faults, cut
from tradewright.exchange.faults.rules import Call, Command, Disconnect, Phase, Rule
from tradewright.exchange.words import Refused

if TYPE_CHECKING:
    from tradewright.core.records import JsonValue
    from tradewright.exchange.exchange import Exchange

_OF_ORDERS: Final = frozenset({"hold", "release", "reject", "mark", "both_legs", "cancel_by_venue"})
_OF_EXECUTIONS: Final = frozenset({"bust", "correct"})


def perform_scripted(exchange: Exchange, rule: Rule, command: Command, call: Call) -> None:
    """Have the exchange perform the command of a rule that struck `call`."""
    arguments = _filled(command, call)
    try:
        exchange.perform(command.name, arguments)
    except Refused as refused:
        if exchange.faults is not None:
            action = f"{rule.kind} refused: {refused.message}"
            exchange.faults.note(rule.name, action, call, exchange.market.now)


def perform_due(exchange: Exchange, faults: Faults) -> None:
    """Do what the rules with a time of the market say, for those whose time has come."""
    for rule in faults.due(exchange.market.now):
        call = Call(Phase.TIME, "time")
        faults.note(rule.name, rule.kind, call, exchange.market.now)
        if isinstance(rule.action, Disconnect):
            cut(faults, "*", rule.action.code)
        elif isinstance(rule.action, Command):
            perform_scripted(exchange, rule, rule.action, call)


def _filled(command: Command, call: Call) -> Mapping[str, JsonValue]:
    arguments = dict(command.arguments)
    if command.name in _OF_ORDERS and call.order:
        arguments.setdefault("order", call.order)
    if command.name in _OF_EXECUTIONS and call.execution:
        arguments.setdefault("execution", call.execution)
    return arguments

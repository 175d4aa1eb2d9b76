"""The pre-trade gate: the one door to a venue, and the sole maker of Approved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tradewright.core.decisions import Approved, Refusal
from tradewright.core.frozen import maker
from tradewright.risk.checks import CHECKS, first_refusal

if TYPE_CHECKING:
    from tradewright.core.orders import Order
    from tradewright.risk.checks import RiskContext

_NAMES: Final = tuple(check.__name__ for check in CHECKS)
_approved: Final = maker(Approved)


class PreTradeGate:
    """Runs every check in one declared order; there is no way to skip one."""

    def check(self, order: Order, context: RiskContext) -> Approved | Refusal:
        """Approve the order, or return the first refusal."""
        refusal = first_refusal(order, context)
        if refusal is not None:
            return refusal
        return _approved(order, context.at, context.limits.version, _NAMES)

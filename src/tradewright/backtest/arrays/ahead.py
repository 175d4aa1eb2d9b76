"""Memory asked for ahead of its use: the processor goes on while it comes.

It changes nothing but time, and it may ask for what is not there. Rows that count lie too far
apart for the processor to guess them, and to wait for one costs as much as filling an order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import numba
from numba.core import cgutils
from numba.extending import intrinsic

if TYPE_CHECKING:
    from collections.abc import Callable

    from tradewright.core.frames import FloatArray

_TO_READ: Final = 0
_TO_KEEP: Final = 3
_DATA: Final = 1


def _fetch(_typing: Any, array: Any, row: Any, column: Any) -> Any:  # noqa: ANN401 - numba's own
    def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        tools: Any = cgutils
        kind = signature.args[0]
        place = context.make_array(kind)(context, builder, arguments[0])
        cell = tools.get_item_pointer(context, builder, kind, place, list(arguments[1:]))
        cell = builder.bitcast(cell, tools.voidptr_t)
        how = [tools.int32_t(number) for number in (_TO_READ, _TO_KEEP, _DATA)]
        result = tools.ir.VoidType()
        shape = tools.ir.FunctionType(result, [cell.type, *(one.type for one in how)])
        asked = builder.module.declare_intrinsic("llvm.prefetch", (cell.type,), shape)
        builder.call(asked, [cell, *how])
        return context.get_dummy_value()

    return numba.void(array, row, column), made


fetch: Final = cast("Callable[[FloatArray, int, int], None]", intrinsic(_fetch))
"""Ask for a cell of a table, by row and column."""

"""How long machine code took to make in this process: what a first run pays, and a later one not.

Code that was kept on disk is loaded, which is not counted here.
"""

from __future__ import annotations

from typing import Any, Final

from numba.core import event

_compiler: Final[Any] = event
_spent: Final[Any] = _compiler.TimingListener()
_compiler.register("numba:compile", _spent)


def compiled_seconds() -> float:
    """Return the seconds so far, 0 where all code was kept."""
    return float(_spent.duration) if _spent.done else 0.0

"""Work done in this process, piece after piece: for tests, and where starting others costs more."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

_Piece = TypeVar("_Piece")
_Answer = TypeVar("_Answer")


class MemoryExecutor:
    """This process as the one worker; what a job raises comes through as it is."""

    @property
    def workers(self) -> int:
        """One piece at a time."""
        return 1

    @contextmanager
    def running(
        self, job: Callable[[_Piece], _Answer]
    ) -> Iterator[Callable[[Iterable[_Piece]], Generator[_Answer, None, None]]]:
        """Do pieces when they are asked for, in their order."""
        yield lambda pieces: (job(piece) for piece in pieces)

"""Processes of this machine as workers; each is handed the job once, when it is started.

They are spawned, never forked, so that threads and locks of the parent are no matter to them. A
worker that is killed costs the piece it was at, which another does again.
"""

from __future__ import annotations

import multiprocessing
import pickle
import signal
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any, Final, TypeVar

from tradewright.adapters.executor.worker import BROKEN, READY, serve
from tradewright.core.errors import InvalidInput, WorkError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

_Piece = TypeVar("_Piece")
_Answer = TypeVar("_Answer")

_ATTEMPTS: Final = 2
_PATIENCE_SECONDS: Final = 5.0
_HERE: Final = "local workers"
_ENDED: Final = (EOFError, BrokenPipeError, ConnectionResetError)


class LocalExecutor:
    """So many processes of this machine; `tell` is told of each that ends unasked."""

    def __init__(self, workers: int, tell: Callable[[str], None]) -> None:
        """Choose how many; none is started before there is work.

        Raises:
            InvalidInput: There are to be none.
        """
        if workers < 1:
            raise InvalidInput("--workers", workers, "is below 1", "give 1 or more")
        self._workers = workers
        self._tell = tell

    @property
    def workers(self) -> int:
        """How many pieces are worked on at a time."""
        return self._workers

    @contextmanager
    def running(
        self, job: Callable[[_Piece], _Answer]
    ) -> Iterator[Callable[[Iterable[_Piece]], Generator[_Answer, None, None]]]:
        """Hand a job to each worker once; what is yielded does pieces and answers in order.

        Raises:
            WorkError: A piece's worker ended twice, or the job itself broke.
        """
        crew = _Crew(pickle.dumps(job, protocol=5), self._workers, self._tell)
        try:
            yield crew.answers
        finally:
            crew.dismiss()


@dataclass(slots=True, eq=False)
class _Worker:
    process: SpawnProcess
    pipe: Connection[Any, Any]

    @classmethod
    def hired(cls) -> _Worker:
        spawn = multiprocessing.get_context("spawn")
        ours, theirs = spawn.Pipe()
        process = spawn.Process(target=serve, args=(theirs,), daemon=True, name="tradewright work")
        process.start()
        # Ours alone is left, so that the end of the worker is the end of the pipe.
        theirs.close()
        return cls(process, ours)

    def begin(self, job: bytes) -> None:
        # That it has ended is heard of like any other end.
        with suppress(*_ENDED):
            self.pipe.send_bytes(job)

    def send(self, piece: object) -> None:
        with suppress(*_ENDED):
            self.pipe.send(piece)

    def ended(self) -> str:
        # How a worker ended whose pipe is broken.
        self.process.join(_PATIENCE_SECONDS)
        code = self.process.exitcode
        if code is not None and code < 0:
            return f"by {signal.Signals(-code).name}"
        return f"with exit code {code}"

    def dismiss(self, *, at_work: bool) -> None:
        self.pipe.close()
        if at_work:
            self.process.kill()
        self.process.join(_PATIENCE_SECONDS)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()


@dataclass(slots=True)
class _Crew:
    job: bytes
    most: int
    tell: Callable[[str], None]
    idle: list[_Worker] = field(default_factory=list)
    busy: dict[int, tuple[_Worker, int]] = field(default_factory=dict)

    def answers(self, pieces: Iterable[Any]) -> Generator[Any, None, None]:
        known = list(pieces)
        waiting, done = deque(range(len(known))), dict[int, Any]()
        attempts = [0] * len(known)
        try:
            for place in range(len(known)):
                while place not in done:
                    self._give(known, waiting, attempts)
                    for worker, number, answer in self._heard(known, attempts):
                        if worker is None:
                            waiting.appendleft(number)
                        else:
                            self.idle.append(worker)
                            done[number] = answer
                yield done.pop(place)
        finally:
            # Whoever is still at work does what nobody waits for any more.
            for worker, _ in self.busy.values():
                worker.dismiss(at_work=True)
            self.busy.clear()

    def dismiss(self) -> None:
        for worker in self.idle:
            worker.dismiss(at_work=False)
        self.idle.clear()

    def _give(self, known: list[Any], waiting: deque[int], attempts: list[int]) -> None:
        while waiting and len(self.busy) < self.most:
            number = waiting.popleft()
            attempts[number] += 1
            if self.idle:
                worker = self.idle.pop()
                worker.send(known[number])
            else:
                worker = _Worker.hired()
            self.busy[worker.pipe.fileno()] = worker, number

    def _heard(
        self, known: list[Any], attempts: list[int]
    ) -> Iterator[tuple[_Worker | None, int, Any]]:
        for pipe in wait([worker.pipe for worker, _ in self.busy.values()]):
            worker, number = self.busy.pop(pipe.fileno())  # type: ignore[union-attr]
            try:
                kind, answer = worker.pipe.recv()
            except _ENDED:
                self._lost(worker, number, attempts)
                yield None, number, None
                continue
            if kind == READY:
                worker.begin(self.job)
                worker.send(known[number])
                self.busy[worker.pipe.fileno()] = worker, number
            elif kind == BROKEN:
                worker.dismiss(at_work=False)
                raise WorkError(_HERE, f"piece {number + 1} broke: {answer}")
            else:
                yield worker, number, answer

    def _lost(self, worker: _Worker, number: int, attempts: list[int]) -> None:
        how = worker.ended()
        worker.dismiss(at_work=True)
        if attempts[number] >= _ATTEMPTS:
            what = f"the worker at piece {number + 1} ended {how}, and so did the one before it"
            raise WorkError(_HERE, what)
        self.tell(f"a worker ended {how} at piece {number + 1}, which is done again")

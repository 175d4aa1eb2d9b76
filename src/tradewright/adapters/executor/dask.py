"""The workers of a Dask cluster, reached by its scheduler's address.

The job goes to each worker once, as a plugin, and to those that join later as well. A worker
that is lost costs the pieces it was at, which the scheduler gives to others as often as it is
set up to. Every worker must have this version of the platform installed.
"""

from __future__ import annotations

import hashlib
import pickle
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final, TypeVar

from distributed import Client, WorkerPlugin, get_worker
from distributed.scheduler import KilledWorker

from tradewright.core.errors import ConfigError, WorkError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from distributed import Worker

_Piece = TypeVar("_Piece")
_Answer = TypeVar("_Answer")

_TIMEOUT_SECONDS: Final = 10
_ALONE: Final = 3
_OURS: Final = "tradewright"
_REMOVED: Final = "remove-worker"
_REMEDY: Final = "start one with `dask scheduler`, and workers with `dask worker ADDRESS`"


class JobPlugin(WorkerPlugin):
    """A job on its way to a worker, and there."""

    def __init__(self, name: str, payload: bytes) -> None:
        """Pack a job."""
        self.name = name
        self.version = version(_OURS)
        self._payload = payload
        self.job: Callable[[Any], Any] | None = None

    def setup(self, worker: Worker) -> None:
        """Unpack the job on a worker.

        Raises:
            ConfigError: The worker has another version installed.
        """
        here = version(_OURS)
        if self.version != here:
            what = f"worker {worker.address} has version {here}, not {self.version}"
            raise ConfigError(what, "install the same version on both")
        self.job = pickle.loads(self._payload)  # noqa: S301  # nosec B301 - from our own client
        self._payload = b""


def work(name: str, piece: object) -> object:
    """Do a piece with the job of a name; runs on a worker."""
    plugin: Any = get_worker().plugins[name]
    answer: object = plugin.job(piece)
    return answer


class DaskExecutor:
    """All workers of one cluster; `tell` is told of each that is lost."""

    def __init__(self, scheduler: str, tell: Callable[[str], None]) -> None:
        """Connect to a scheduler.

        Raises:
            ConfigError: It does not answer, or has no workers.
        """
        self._client = _connected(scheduler)
        self._where = f"Dask at {scheduler}"
        self._tell = tell
        try:
            self._client.wait_for_workers(1, timeout=_TIMEOUT_SECONDS)
        except TimeoutError as error:
            self._client.close()
            raise ConfigError(f"--scheduler {scheduler} has no workers", _REMEDY) from error

    @property
    def workers(self) -> int:
        """How many pieces are worked on at a time: the threads of all workers."""
        return sum(self._client.nthreads().values())

    def close(self) -> None:
        """Let go of the cluster, which goes on."""
        self._client.close()

    @contextmanager
    def running(
        self, job: Callable[[_Piece], _Answer]
    ) -> Iterator[Callable[[Iterable[_Piece]], Generator[_Answer, None, None]]]:
        """Hand a job to each worker once; what is yielded does pieces and answers in order.

        Raises:
            WorkError: The workers of a piece were lost, or the job itself broke.
            ConfigError: A worker has another version installed.
        """
        payload = pickle.dumps(job, protocol=5)
        name = f"tradewright-{hashlib.sha256(payload).hexdigest()[:16]}"
        self._client.register_plugin(JobPlugin(name, payload), name=name)
        self._client.subscribe_topic("all", self._seen)
        try:
            yield lambda pieces: self._answers(name, pieces)
        finally:
            self._client.unsubscribe_topic("all")
            self._client.unregister_worker_plugin(name)

    def _answers(self, name: str, pieces: Iterable[Any]) -> Generator[Any, None, None]:
        futures = [self._client.submit(work, name, piece, pure=False) for piece in pieces]
        try:
            for number, future in enumerate(futures):
                yield self._answer(number, future)
        finally:
            self._client.cancel(futures)

    def _answer(self, number: int, future: Any) -> object:  # noqa: ANN401 - untyped
        error = self._error(future)
        if isinstance(error, KilledWorker):
            what = f"the workers at piece {number + 1} were lost, one after another"
            raise WorkError(self._where, what) from error
        if error is not None:
            what = f"piece {number + 1} broke: {type(error).__name__}: {error}"
            raise WorkError(self._where, what) from error
        answer: object = future.result()
        return answer

    def _error(self, future: Any) -> BaseException | None:  # noqa: ANN401 - untyped
        # A scheduler that has lost all its workers waits for others for ever.
        alone = 0
        while alone < _ALONE:
            try:
                error: BaseException | None = future.exception(timeout=_TIMEOUT_SECONDS)
            except TimeoutError:
                alone = 0 if self.workers else alone + 1
            else:
                return error
        raise WorkError(self._where, "no worker is left")

    def _seen(self, event: tuple[float, Any]) -> None:
        _, told = event
        if isinstance(told, dict) and told.get("action") == _REMOVED:
            self._tell(f"worker {told.get('worker')} was lost; its pieces are done again")


def _connected(scheduler: str) -> Any:  # noqa: ANN401 - untyped
    try:
        return Client(  # type: ignore[no-untyped-call]
            scheduler, timeout=_TIMEOUT_SECONDS, set_as_default=False
        )
    except (OSError, TimeoutError, ValueError) as error:
        what = f"--scheduler {scheduler} does not answer: {error}"
        raise ConfigError(what, _REMEDY) from error

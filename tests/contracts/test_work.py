"""Every executor does pieces in their order, hands the job out once, and survives lost workers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.builders import a_spec
from tests.contracts.dask_cluster import dask_cluster
from tests.contracts.jobs import Squares
from tradewright.adapters.embedded.process import wait_until
from tradewright.adapters.executor import LocalExecutor
from tradewright.backtest.choice import Way
from tradewright.backtest.search.evaluation import Evaluation
from tradewright.bootstrap import load_market, open_executor, usual_workers
from tradewright.core.errors import ConfigError, InvalidInput, WorkError
from tradewright.ports import Executor

KINDS = ["memory", "local", "dask"]
ELSEWHERE = ["local", "dask"]


class Opened(NamedTuple):
    """An executor and what it told."""

    executor: Executor
    told: list[str]


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with dask_cluster(tmp_path_factory.mktemp("home")) as address:
        yield address


@pytest.fixture
def opened(request: pytest.FixtureRequest) -> Iterator[Opened]:
    told: list[str] = []
    address = request.getfixturevalue("scheduler") if request.param == "dask" else None
    with ExitStack() as stack:
        workers = 1 if request.param == "memory" else 2
        executor = stack.enter_context(open_executor(workers, address, told.append))
        # A cluster starts those anew that a test before this one killed.
        assert wait_until(lambda: executor.workers == workers, 60)
        yield Opened(executor, told)


def everywhere(*kinds: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("opened", kinds, indirect=True)


@everywhere(*KINDS)
def test_answers_come_in_the_order_of_the_pieces(opened: Opened, tmp_path: Path) -> None:
    with opened.executor.running(Squares(tmp_path)) as answers:
        for count in (0, 1, 25):
            assert [square for square, _ in answers(range(count))] == [n * n for n in range(count)]
    assert opened.told == []


@everywhere(*ELSEWHERE)
def test_work_is_done_elsewhere_and_the_job_comes_once_to_each(
    opened: Opened, tmp_path: Path
) -> None:
    assert opened.executor.workers == 2
    with opened.executor.running(Squares(tmp_path)) as answers:
        processes = {process for _ in range(3) for _, process in answers(range(20))}
    assert os.getpid() not in processes
    assert processes
    arrived = [path.name.split("-")[1] for path in tmp_path.glob("arrived-*")]
    assert len(arrived) == len(set(arrived)) == 2
    assert {str(process) for process in processes} <= set(arrived)


@everywhere(*ELSEWHERE)
def test_a_killed_worker_is_told_and_its_piece_is_done_again(
    opened: Opened, tmp_path: Path
) -> None:
    with opened.executor.running(Squares(tmp_path, kills=(3,))) as answers:
        assert [square for square, _ in answers(range(8))] == [n * n for n in range(8)]
    assert (tmp_path / "killed-3").exists()
    assert wait_until(lambda: bool(opened.told), 10)
    assert "done again" in opened.told[0]


@everywhere(*ELSEWHERE)
def test_a_job_that_breaks_ends_the_work_and_says_why(opened: Opened, tmp_path: Path) -> None:
    with opened.executor.running(Squares(tmp_path, breaks=(5,))) as answers:
        with pytest.raises(WorkError, match="piece 6 broke: ValueError: 5 is odd"):
            list(answers(range(8)))
        assert [square for square, _ in answers(range(3))] == [0, 1, 4]


@everywhere(*KINDS)
def test_answers_that_nobody_waits_for_are_let_go(opened: Opened, tmp_path: Path) -> None:
    with opened.executor.running(Squares(tmp_path)) as answers:
        some = answers(range(50))
        assert next(some)[0] == 0
        some.close()
        assert [square for square, _ in answers(range(4))] == [0, 1, 4, 9]


def test_local_workers_end_with_the_work(tmp_path: Path) -> None:
    executor = LocalExecutor(2, pytest.fail)
    with executor.running(Squares(tmp_path)) as answers:
        processes = {process for _, process in answers(range(9))}
    assert processes
    assert not [process for process in processes if Path(f"/proc/{process}").exists()]


def test_what_cannot_be_opened_is_refused() -> None:
    with (
        pytest.raises(InvalidInput, match="--workers: 0 is below 1"),
        open_executor(0, None, pytest.fail),
    ):
        pytest.fail("opened without workers")
    with (
        pytest.raises(ConfigError, match=r"--scheduler tcp://127.0.0.1:9 does not answer"),
        open_executor(1, "tcp://127.0.0.1:9", pytest.fail),
    ):
        pytest.fail("opened without a scheduler")
    assert usual_workers() >= 1


@everywhere(*KINDS)
def test_sets_come_to_the_same_wherever_they_are_run(opened: Opened) -> None:
    market = load_market(None, symbols=("SIM01", "SIM02"))
    days = [session.date for session in market.frame.sessions]
    spec = a_spec(market, strategy="sma-cross", first=days[-90], last=days[-1])
    sets = [{"fast": str(fast), "slow": "20"} for fast in (3, 5, 8, 30)]
    expected = Evaluation(spec, market, Way.EVENTS)(sets)
    with opened.executor.running(Evaluation(spec, market, Way.AUTO)) as answers:
        (found,) = answers([sets])
    with opened.executor.running(Evaluation(spec, market, Way.EVENTS)) as answers:
        parted = [one for piece in answers([sets[:1], sets[1:]]) for one in piece]
    assert [one.state for one in found] == [one.state for one in expected]
    for one, other, third in zip(expected, parted, found, strict=True):
        assert one.measures == other.measures
        assert one.reason == other.reason == third.reason
        assert third.measures == pytest.approx(one.measures, rel=1e-9)
        assert (one.returns is None) is (other.returns is None)
        if one.returns is not None:
            assert one.returns.tolist() == pytest.approx(third.returns, rel=1e-9)


@everywhere(*ELSEWHERE)
def test_a_piece_that_kills_every_worker_ends_the_work(opened: Opened, tmp_path: Path) -> None:
    # The last of the module: a cluster may not start all of its workers anew after this.
    job = Squares(tmp_path, kills_always=(1,))
    with opened.executor.running(job) as answers, pytest.raises(WorkError, match="piece 2"):
        list(answers(range(3)))

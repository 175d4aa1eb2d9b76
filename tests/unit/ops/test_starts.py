"""Starts that failed are counted on disk, and shown by the next that succeeds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tradewright.core.errors import ConfigError
from tradewright.ops import metrics
from tradewright.ops.starts import FOLDER, counted_start


def shown(service: str) -> float:
    named = {"service": service}
    return metrics.REGISTRY.get_sample_value("startup_failures_total", named) or 0.0


def fail(folder: Path, service: str, error: BaseException) -> None:
    with pytest.raises(type(error)), counted_start(folder, service):
        raise error


def fail_after(started: Callable[[], None]) -> None:
    started()
    raise ConfigError("later")


def test_failures_are_shown_by_the_start_that_succeeds(tmp_path: Path) -> None:
    fail(tmp_path, "one", ConfigError("no key"))
    fail(tmp_path, "one", OSError("no disk"))
    assert shown("one") == 0
    with counted_start(tmp_path, "one") as started:
        started()
        started()
        assert shown("one") == 2
    assert (tmp_path / FOLDER / "one.failed").read_text() == "2\n"
    with counted_start(tmp_path, "two") as started:
        started()
    assert shown("two") == 0


def test_an_end_after_the_start_is_no_failed_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError), counted_start(tmp_path, "three") as started:
        fail_after(started)
    fail(tmp_path, "three", KeyboardInterrupt())
    fail(tmp_path, "three", SystemExit(0))
    assert not (tmp_path / FOLDER).exists()


def test_a_count_that_cannot_be_read_or_kept_is_no_further_error(tmp_path: Path) -> None:
    counter = tmp_path / FOLDER / "four.failed"
    counter.parent.mkdir()
    counter.write_text("many")
    fail(tmp_path, "four", ConfigError("no key"))
    assert counter.read_text() == "1\n"
    (tmp_path / "file").touch()
    fail(tmp_path / "file", "four", ConfigError("no key"))

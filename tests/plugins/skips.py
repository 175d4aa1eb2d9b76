"""In CI a test that should run there must not skip.

With `CI=true` in the environment a skip whose reason does not start with `allowed:` is a failure;
elsewhere skips are left alone, so that a laptop without the shared market data still passes.
"""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

ALLOWED = "allowed:"


def unexcused(report: pytest.TestReport | pytest.CollectReport) -> str | None:
    """The reason of a skip that fails the run, or None."""
    if os.environ.get("CI") != "true" or not report.skipped or hasattr(report, "wasxfail"):
        return None
    # A skip's representation is (path, line, "Skipped: reason").
    reason = (
        str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else str(report.longrepr)
    ).removeprefix("Skipped: ")
    return None if reason.startswith(ALLOWED) else reason


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn an unexcused skip of a test into its failure."""
    report = yield
    reason = unexcused(report)
    if reason is not None:
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} skipped in CI: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn an unexcused skip of a whole module into an error."""
    report = yield
    reason = unexcused(report)
    if reason is not None:
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} skipped in CI: {reason}"
    return report

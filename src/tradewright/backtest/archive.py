"""Run folders: everything about one run in files that people open.

A run folder is whole or absent: it is filled beside its place and renamed into it. `latest` is
a link to the one that was written last.
"""

from __future__ import annotations

import json
import os
import platform
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl

from tradewright.analytics.drawdown import drawdowns
from tradewright.backtest.report import write_report
from tradewright.backtest.report.statistics import statistics
from tradewright.backtest.spending import spent
from tradewright.backtest.summary import session_curve, summary
from tradewright.core.errors import ConfigError, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal

    from tradewright.backtest.backtest import Result
    from tradewright.backtest.parity import PaperSide
    from tradewright.backtest.report import Provenance
    from tradewright.core.decisions import Refusal
    from tradewright.core.ids import RunId
    from tradewright.core.orders import Fill, OrderState
    from tradewright.core.records import Body
    from tradewright.data.history import MarketData
    from tradewright.data.quality import Finding
    from tradewright.portfolio.costs import Cost

LATEST: Final = "latest"
STRATEGY: Final = "strategy.py"
"""Where the text of a strategy that does not ship is kept in a run's folder."""
_LIBRARIES: Final = ("tradewright", "numpy", "polars", "plotly", "exchange-calendars")


def library_versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that numbers depend on."""
    found = {name: version(name) for name in _LIBRARIES}
    return {"python": platform.python_version(), **found}


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The place of one run: `root/run_id`."""

    root: Path
    run_id: RunId

    @property
    def path(self) -> Path:
        """Where the run is, or will be."""
        return self.root / self.run_id

    def write(
        self,
        result: Result,
        market: MarketData,
        provenance: Provenance,
        *,
        title: str,
        paper: PaperSide | None = None,
    ) -> Path:
        """Write the whole folder, then point `latest` at it; return its path.

        Raises:
            InvalidInput: The run is there already, or its id is no name of a folder.
            ConfigError: The folder cannot be written; nothing of it is left.
        """
        latest = self.root / LATEST
        self._check(latest)
        measured = statistics(result, market, session_curve(result, market))
        known = summary(self.run_id, result, market, paper=paper, seconds=provenance.seconds)
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".staged-", dir=self.root) as outer:
                # Inside a private folder, so that the run's own has the user's usual rights.
                staged = Path(outer) / self.run_id
                staged.mkdir()
                write_report(
                    staged / "report.html",
                    result,
                    market,
                    title=title,
                    paper=paper,
                    provenance=provenance,
                )
                _write_tables(staged, result, market, paper)
                if provenance.strategy_file is not None:
                    (staged / STRATEGY).write_bytes(provenance.strategy_file.content)
                _write_json(staged / "spec.json", _spec(self.run_id, result, market, provenance))
                _write_json(staged / "summary.json", known)
                _write_json(staged / "statistics.json", measured)
                _sync([*staged.iterdir(), staged])
                staged.rename(self.path)
                link = Path(outer) / LATEST
                link.symlink_to(self.run_id, target_is_directory=True)
                link.replace(latest)
                _sync([self.root])
        except OSError as error:
            raise ConfigError(
                f"{self.path} cannot be written: {error}", "make room or choose another folder"
            ) from error
        return self.path

    def _check(self, latest: Path) -> None:
        name = self.run_id
        if Path(name).name != name or name == LATEST or name.startswith(".") or not name:
            raise InvalidInput("run_id", name, "cannot name a run folder")
        if self.path.exists():
            raise InvalidInput("run_id", name, f"is already in {self.root}", "run again")
        if latest.exists() and not latest.is_symlink():
            raise InvalidInput("root", latest, "is in the way of the link", "move it elsewhere")


def _spec(run_id: RunId, result: Result, market: MarketData, provenance: Provenance) -> Body:
    file = provenance.strategy_file
    own: Body | None = None
    if file is not None:
        own = {"path": str(file.path), "sha256": file.sha256, "kept": STRATEGY}
    return {
        "id": run_id,
        "spec": result.spec.body(),
        "spec_hash": provenance.spec_hash,
        "data": market.label,
        "data_hash": provenance.data_hash,
        "code_revision": provenance.code_revision,
        "strategy_file": own,
        "versions": dict(provenance.versions),
    }


def _write_tables(
    folder: Path, result: Result, market: MarketData, paper: PaperSide | None
) -> None:
    _orders(result.orders.values()).write_csv(folder / "orders.csv")
    _fills(result.fills).write_csv(folder / "fills.csv")
    _refusals(result.refusals).write_csv(folder / "refusals.csv")
    alerts = [(_time(alert.at), alert.code, alert.message) for alert in result.alerts]
    _texts("at code message", alerts).write_csv(folder / "alerts.csv")
    _equity(result, market).write_csv(folder / "equity.csv")
    _costs(spent(result, market)).write_csv(folder / "costs.csv")
    if result.spec.detail is not None and market.detail is not None:
        _findings(market.detail.findings).write_csv(folder / "findings.csv")
    if paper is not None:
        _orders(paper.orders.values()).write_csv(folder / "paper_orders.csv")
        _fills(paper.fills).write_csv(folder / "paper_fills.csv")
        _refusals(paper.refusals).write_csv(folder / "paper_refusals.csv")


def _orders(states: Iterable[OrderState]) -> pl.DataFrame:
    return _texts(
        "decided_at id strategy instrument side quantity kind time_in_force limit stop reduce_only"
        " status filled average_price updated_at reason",
        [
            (
                _time(state.order.decided_at),
                state.order.id,
                state.order.strategy,
                state.order.instrument,
                state.order.side.value,
                _exact(state.order.quantity),
                state.order.kind.value,
                state.order.time_in_force.value,
                _exact(state.order.limit),
                _exact(state.order.stop),
                str(state.order.reduce_only).lower(),
                state.status.value,
                _exact(state.filled),
                _exact(state.average_price),
                _time(state.at),
                state.reason,
            )
            for state in states
        ],
    )


def _fills(fills: Iterable[Fill]) -> pl.DataFrame:
    return _texts(
        "at id order instrument side quantity price fee currency liquidity",
        [
            (
                _time(fill.at),
                fill.id,
                fill.order,
                fill.instrument,
                fill.side.value,
                _exact(fill.quantity),
                _exact(fill.price),
                _exact(fill.fee.amount),
                fill.fee.currency.value,
                fill.liquidity,
            )
            for fill in fills
        ],
    )


def _costs(costs: Iterable[tuple[Fill, Cost]]) -> pl.DataFrame:
    return _texts(
        "fill order instrument commission fees slippage impact",
        [
            (
                fill.id,
                fill.order,
                fill.instrument,
                *(_exact(part) for part in (cost.commission, cost.fees)),
                *(_exact(part) for part in (cost.slippage, cost.impact)),
            )
            for fill, cost in costs
        ],
    )


def _refusals(refusals: Iterable[Refusal]) -> pl.DataFrame:
    return _texts(
        "at code order instrument side quantity context",
        [
            (
                _time(refusal.at),
                refusal.code.value,
                refusal.order.id,
                refusal.order.instrument,
                refusal.order.side.value,
                _exact(refusal.order.quantity),
                json.dumps({name: str(value) for name, value in refusal.context.items()}),
            )
            for refusal in refusals
        ],
    )


def _findings(findings: Iterable[Finding]) -> pl.DataFrame:
    return _texts(
        "at rule severity instrument what remedy",
        [
            (
                _time(finding.at),
                finding.rule.value,
                finding.severity.value,
                finding.instrument,
                finding.what,
                finding.rule.remedy,
            )
            for finding in findings
        ],
    )


def _equity(result: Result, market: MarketData) -> pl.DataFrame:
    curve = session_curve(result, market)
    return pl.DataFrame(
        {
            "session": curve.dates,
            "equity": curve.equity,
            "invested": curve.invested,
            "drawdown": drawdowns(curve.equity),
        }
    )


def _texts(columns: str, rows: Sequence[tuple[str | None, ...]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=dict.fromkeys(columns.split(), pl.String), orient="row")


def _time(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _exact(value: Decimal | None) -> str | None:
    return None if value is None else format(value, "f")


def _write_json(path: Path, body: Mapping[str, object]) -> None:
    text = json.dumps(body, indent=2, allow_nan=False, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def _sync(paths: Iterable[Path]) -> None:
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

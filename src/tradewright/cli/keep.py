"""Keep a run: its folder with where its numbers come from, and what is printed of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tradewright.backtest.archive import RunFolder, library_versions
from tradewright.backtest.report import Provenance
from tradewright.cli.parse import code_revision
from tradewright.core.clock import SystemClock
from tradewright.core.ids import run_id
from tradewright.data.fingerprint import data_hash

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tradewright.backtest.backtest import Result
    from tradewright.backtest.parity import PaperSide
    from tradewright.core.records import Body
    from tradewright.data.history import MarketData
    from tradewright.engine.named import StrategyFile


def keep_run(
    runs: Path,
    result: Result,
    market: MarketData,
    seconds: Mapping[str, float],
    paper: PaperSide | None = None,
    *,
    file: StrategyFile | None = None,
) -> tuple[Path, Body]:
    """Write a run's folder under `runs`; return it and the summary that it holds.

    `file` is that of a strategy that does not ship; its text is kept with the run.
    """
    spec = result.spec
    detail = market.detail.frame if spec.detail and market.detail else None
    hashed = data_hash(market.frame, market.actions, detail)
    name = run_id(spec.hash + hashed, SystemClock().now().strftime("%Y%m%dT%H%M%S"))
    provenance = Provenance(
        spec_hash=spec.hash,
        data_hash=hashed,
        code_revision=code_revision(),
        versions=library_versions(),
        seconds=dict(seconds),
        strategy_file=file,
    )
    title = f"{spec.strategy} over {market.label}"
    folder = RunFolder(runs, name).write(result, market, provenance, title=title, paper=paper)
    body: Body = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    return folder, body

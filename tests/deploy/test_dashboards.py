"""Dashboards ask for metrics that exist, in queries that Prometheus reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.deploy.stack import (
    DASHBOARDS,
    DEPLOY,
    board,
    filled,
    load,
    program,
    queries,
    told,
    unknown,
)
from tradewright.ops.metrics import described

SPECIFIED = {"Trading", "Signal Service", "Execution", "Frame"}
SOURCES = {
    (one["type"], one["uid"])
    for one in load(DEPLOY / "grafana/provisioning/datasources/datasources.yml")["datasources"]
}


def test_the_dashboards_of_the_specification_exist() -> None:
    boards = [board(path) for path in DASHBOARDS]
    assert {one["title"] for one in boards} == SPECIFIED
    assert len({one["uid"] for one in boards}) == len(boards)


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_panels_are_whole(path: Path) -> None:
    panels = board(path)["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({panel["title"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
        for target in panel["targets"]:
            source = target["datasource"]
            assert (source["type"], source["uid"]) in SOURCES


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_panels_ask_for_metrics_that_exist(path: Path) -> None:
    wrong = {title: unknown(query) for title, query in queries(path)}
    assert {title: found for title, found in wrong.items() if found} == {}


def test_every_metric_is_shown() -> None:
    asked = " ".join(query for path in DASHBOARDS for _, query in queries(path))
    assert [name for name, *_ in described() if name not in asked] == []


def test_prometheus_reads_every_query(tmp_path: Path) -> None:
    asked = [query for path in DASHBOARDS for _, query in queries(path)]
    rules = [{"record": f"query:{n}", "expr": filled(query)} for n, query in enumerate(asked)]
    file = tmp_path / "queries.yml"
    # JSON is YAML too.
    file.write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}))
    assert f"{len(asked)} rules found" in told(program("promtool"), "check", "rules", str(file))


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_logs_are_asked_for_by_their_labels(path: Path) -> None:
    for title, query in queries(path, "loki"):
        assert query.startswith('{job="trading_platform"'), title

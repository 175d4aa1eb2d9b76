"""What lies in deploy/: its files, and the programs that check them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml  # type: ignore[import-untyped]

from tests.architecture.tree import ROOT
from tradewright.ops.metrics import described

DEPLOY = ROOT / "deploy"
PROMETHEUS = DEPLOY / "prometheus"
DASHBOARDS = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))
# Of a target, of a histogram, and of the client's own collectors.
FREE_LABELS = frozenset({"job", "instance", "service", "le"})
PROCESS = frozenset(
    {"process_start_time_seconds", "process_cpu_seconds_total"}
    | {"process_resident_memory_bytes", "process_open_fds"}
)
PROMETHEUS_OWN: dict[str, frozenset[str]] = {
    "up": frozenset(),
    "ALERTS": frozenset({"alertname", "alertstate", "severity"}),
}
_WORDS = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_SELECTOR = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\{([^}]*)\}")
_GROUPED = re.compile(r"\b(?:by|without|ignoring|on|group_left|group_right)\s*\(([^)]*)\)")
_FUNCTIONS = frozenset(
    {"abs", "changes", "count", "histogram_quantile", "increase", "max", "min", "rate", "sum"}
    | {"time", "topk", "vector", "and", "or", "unless", "offset", "label_values"}
    | {"by", "without", "ignoring", "on", "group_left", "group_right"}
)
_SPANS = re.compile(r"\[[^\]]*\]|\boffset\s+\d+[smhd]|\b\d[\d.]*")


class Alert(NamedTuple):
    """An alerting rule, and its group."""

    group: str
    name: str
    expr: str
    lasts: str
    labels: dict[str, str]
    annotations: dict[str, str]


def load(path: Path) -> Any:
    """A YAML file."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@cache
def alerts() -> tuple[Alert, ...]:
    """Every alerting rule."""
    return tuple(
        Alert(
            group["name"],
            rule["alert"],
            rule["expr"],
            rule.get("for", ""),
            rule["labels"],
            rule["annotations"],
        )
        for group in load(PROMETHEUS / "alerts.yml")["groups"]
        for rule in group["rules"]
    )


def board(path: Path) -> dict[str, Any]:
    """A dashboard."""
    return dict(json.loads(path.read_text(encoding="utf-8")))


def queries(path: Path, kind: str = "prometheus") -> Iterator[tuple[str, str]]:
    """Title of the panel and text of each query of a dashboard."""
    content = board(path)
    for panel in content["panels"]:
        for target in panel["targets"]:
            if target["datasource"]["type"] == kind:
                yield panel["title"], target["expr"]
    if kind == "prometheus":
        for one in content["annotations"]["list"]:
            yield f"annotation {one['name']}", one["expr"]


def filled(query: str) -> str:
    """A query as Grafana sends it, its variables filled in."""
    return re.sub(r"\$\w+", "auth", query.replace("$__rate_interval", "1m"))


def known() -> dict[str, frozenset[str]]:
    """Every name that a query may use, with its labels."""
    names: dict[str, frozenset[str]] = dict.fromkeys(PROCESS, frozenset[str]())
    for name, kind, _, labels in described():
        endings = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
        names |= {name + ending: frozenset(labels) for ending in endings}
    return names | PROMETHEUS_OWN


def unknown(query: str) -> set[str]:
    """The names and labels of a query that no metric has."""
    names, wrong = known(), set[str]()
    used: set[str] = set()
    for name, inner in _SELECTOR.findall(_QUOTED.sub('""', query)):
        labels = set(_WORDS.findall(inner))
        wrong |= {f"{name}{{{one}}}" for one in labels - FREE_LABELS - names.get(name, frozenset())}
    plain = _SPANS.sub("", _QUOTED.sub("", query))
    grouped = {word for inner in _GROUPED.findall(plain) for word in _WORDS.findall(inner)}
    rest = re.sub(r"\{[^}]*\}", "", _GROUPED.sub("", plain))
    used = set(_WORDS.findall(rest)) - _FUNCTIONS
    wrong |= used - set(names)
    of_these = frozenset[str]().union(*(names.get(name, frozenset()) for name in used))
    return wrong | {f"by {one}" for one in grouped - of_these - FREE_LABELS}


def program(name: str) -> str:
    """Where promtool, amtool or prometheus is; `.ci/tools` puts them there."""
    folder = Path.home() / ".cache" / "tradewright" / "tools" / "usr" / "bin"
    found = shutil.which(name) or shutil.which(name, path=folder)
    if found is None:
        pytest.skip(f"{name} is not here: run .ci/tools")
    return found


def told(*command: str) -> str:
    """What a program says; it must be content."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said

"""Every notebook runs from its first cell to its last, in a folder of its own."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
# Of one cell, on a machine where the columns' loops have never been compiled.
LONG = 300

pytestmark = [
    # What the notebook's own process warns of is not ours, nor how its client watches a loop.
    pytest.mark.filterwarnings("default"),
]


def ran(path: Path, folder: Path) -> Any:
    """A notebook after its run; a cell that fails fails the test."""
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    client = NotebookClient(
        notebook,
        timeout=LONG,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
    )
    # Nothing of the machine's settings, and a home in which nothing is kept.
    home = folder.parent / "home"
    home.mkdir()
    paths = os.pathsep.join([str(Path(sys.executable).parent), os.defpath])
    client.execute(env={"PATH": paths, "HOME": str(home), "LANG": "C.UTF-8"})
    return notebook


@every_notebook
def test_a_notebook_runs_to_its_end_and_says_something(path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    cells = [cell for cell in ran(path, folder).cells if cell.cell_type == "code"]
    said = [output for cell in cells for output in cell.outputs]
    assert not [output for output in said if output.output_type == "error"]
    assert len(said) >= len(cells) // 2
    warned = [o.text for o in said if o.get("name") == "stderr" and "arning" in o.text]
    assert warned == []


@every_notebook
def test_a_notebook_is_kept_without_what_it_said(path: Path) -> None:
    body = json.loads(path.read_text(encoding="utf-8"))
    for cell in body["cells"]:
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)
    assert set(body["metadata"]) == {"kernelspec", "language_info"}


def test_there_is_a_notebook() -> None:
    assert NOTEBOOKS

"""In CI a skip without an excuse fails the run; elsewhere it does not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT

CASES = {
    "call": "def test_it():\n    pytest.skip({reason!r})",
    "mark": "@pytest.mark.skip(reason={reason!r})\ndef test_it(): pass",
    "module": "pytest.skip({reason!r}, allow_module_level=True)\ndef test_it(): pass",
}


def failed(folder: Path) -> set[str]:
    """Run every case with and without an excuse; return the names of the files that failed."""
    for name, text in CASES.items():
        for kind, reason in (("excused", "allowed: other system"), ("bare", "no data")):
            body = f"import pytest\n{text.format(reason=reason)}\n"
            (folder / f"test_{name}_{kind}.py").write_text(body, encoding="utf-8")
    expected = "import pytest\n@pytest.mark.xfail(reason='known')\ndef test_it(): assert False\n"
    (folder / "test_xfail.py").write_text(expected, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "tests.plugins.skips", "-q", "-rfE"]
    command += ["--continue-on-collection-errors", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "-c", "/dev/null", "--rootdir", str(folder), str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR "))]
    assert bool(lines) == bool(done.returncode)
    return {Path(line.split()[1].split("::")[0]).stem for line in lines}


def test_bare_skips_fail_ci(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    assert failed(tmp_path) == {f"test_{name}_bare" for name in CASES}


def test_skips_pass_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    assert failed(tmp_path) == set()

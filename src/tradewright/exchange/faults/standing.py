"""What stands of a fault script through a restart: the rules, and how far each has counted.

The file begins with all rules as they stood; a line after it says how far one of them has come
since. A line is written before the call goes on, so a process that is killed forgets no call; a
last line without its end was of a call that nobody heard of, and is dropped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tradewright.core.errors import ConfigError, QualityFailure
from tradewright.data.durable import settle, write_all
from tradewright.exchange.faults.script import read_rule

if TYPE_CHECKING:
    from tradewright.core.records import JsonValue
    from tradewright.exchange.faults.rules import Rule

FILE: Final = "faults.jsonl"
_LONGEST: Final = 10_000
_json: Final = json.JSONEncoder(separators=(",", ":")).encode
_RESET: Final = "empty the folder with `tradewright exchange reset --state FOLDER`"


@dataclass(frozen=True, slots=True)
class Count:
    """How far a rule has come: the calls it has seen and struck, and the chances it has drawn."""

    seen: int = 0
    struck: int = 0
    drawn: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """The rules that are set, each with the seed of its script and its count."""

    seed: int
    rules: Sequence[tuple[Rule, int, Count]]


class StandingFile:
    """The standing of the faults, in a file of the state folder."""

    def __init__(self, folder: Path) -> None:
        """Open the file, or begin one without a rule.

        Raises:
            ConfigError: The folder cannot be written.
            QualityFailure: What is there cannot be read.
        """
        self._folder = folder
        self._path = folder / FILE
        self._file: FileIO | None = None
        self._lines = 0
        settle(folder)
        self.standing = self._read() if self._path.is_file() else Standing(0, ())
        self.write(self.standing)

    @property
    def is_long(self) -> bool:
        """Say whether the file should be written anew, for what it holds is mostly past."""
        return self._lines > _LONGEST

    def write(self, standing: Standing) -> None:
        """Put a standing in the place of all that is kept; it is on disk on return.

        Raises:
            ConfigError: The folder cannot be written.
        """
        rules: list[JsonValue] = [
            [dict(rule.source), seed, count.seen, count.struck, count.drawn]
            for rule, seed, count in standing.rules
        ]
        head = _json({"seed": standing.seed, "rules": rules}) + "\n"
        write_all(self._folder, [(FILE, head.encode())])
        self.close()
        self._file = self._path.open("ab", buffering=0)
        self._lines = 0

    def count(self, name: str, count: Count) -> None:
        """Write how far a rule has come.

        Raises:
            ConfigError: It cannot be written.
        """
        line = _json([name, count.seen, count.struck, count.drawn]) + "\n"
        assert self._file is not None  # noqa: S101 - opened by `write`
        try:
            self._file.write(line.encode())
        except OSError as error:
            raise ConfigError(
                f"{self._path} cannot be written: {error.strerror}",
                "make room or choose another folder",
            ) from error
        self._lines += 1

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()

    def _read(self) -> Standing:
        lines = self._path.read_bytes().split(b"\n")[:-1]
        counts: dict[str, Count] = {}
        place = 0
        try:
            head = json.loads(lines[place])
            for place in range(1, len(lines)):
                name, *numbers = json.loads(lines[place])
                counts[name] = Count(*map(int, numbers))
            return _standing(head, counts)
        except (IndexError, KeyError, TypeError, ValueError) as error:
            what = f"is no standing of fault rules: {error}"
            raise QualityFailure(f"{self._path}:{place + 1}", what, _RESET) from error


def _standing(head: Mapping[str, Any], counts: Mapping[str, Count]) -> Standing:
    rules = []
    for source, seed, *numbers in head["rules"]:
        rule = read_rule(source)
        rules.append((rule, int(seed), counts.get(rule.name, Count(*map(int, numbers)))))
    return Standing(int(head["seed"]), rules)

"""The register of what an authority issued, as a file that is replaced whole or left alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from tradewright.core.access.certificates import Issued, Purpose, Reason
from tradewright.core.errors import ConfigError
from tradewright.core.records import JsonValue
from tradewright.data.durable import write_file


class Register:
    """The file with every certificate, and the number of the newest revocation list."""

    def __init__(self, path: Path) -> None:
        """Keep it at `path`."""
        self._path = path

    def read(self) -> tuple[list[Issued], int]:
        """Return what was issued, oldest first, and the number of the newest list.

        Raises:
            ConfigError: It is not there, or cannot be understood.
        """
        try:
            kept = json.loads(self._path.read_bytes())
            return [_issued(one) for one in kept["certificates"]], int(kept["list_number"])
        except OSError as error:
            what = f"{self._path} cannot be read: {error.strerror}"
            raise ConfigError(what, "make an authority with `tradewright certs init`") from error
        except (ValueError, KeyError, TypeError) as error:
            what = f"{self._path} cannot be understood"
            raise ConfigError(what, "restore it from a backup") from error

    def write(self, issued: Sequence[Issued], number: int) -> None:
        """Put it in its place; raise ConfigError if that cannot be done."""
        rows: list[JsonValue] = [_row(one) for one in issued]
        body: JsonValue = {"list_number": number, "certificates": rows}
        write_file(self._path, json.dumps(body, indent=1).encode() + b"\n", 0o600)


def _row(one: Issued) -> JsonValue:
    return {
        "serial": one.number,
        "name": one.name,
        "purpose": one.purpose.value,
        "start": one.start.isoformat(),
        "end": one.end.isoformat(),
        "revoked": one.revoked.isoformat() if one.revoked else None,
        "reason": one.reason.value if one.reason else None,
    }


def _issued(row: dict[str, str]) -> Issued:
    return Issued(
        int(row["serial"], 16),
        row["name"],
        Purpose(row["purpose"]),
        datetime.fromisoformat(row["start"]),
        datetime.fromisoformat(row["end"]),
        datetime.fromisoformat(row["revoked"]) if row["revoked"] else None,
        Reason(row["reason"]) if row["reason"] else None,
    )

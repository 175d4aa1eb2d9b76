"""The words of our certificates: what one is for, why one is revoked, and what was issued."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from tradewright.core.frozen import frozen

if TYPE_CHECKING:
    from datetime import datetime


class Purpose(StrEnum):
    """What a certificate is for."""

    CLIENT = "client"
    """A person, or one of our services, who calls."""
    SERVER = "server"
    """A service that is called, by the host in the certificate."""


class Reason(StrEnum):
    """Why a certificate is revoked, in the words of RFC 5280."""

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "keyCompromise"
    LEFT = "affiliationChanged"
    SUPERSEDED = "superseded"
    CEASED = "cessationOfOperation"


@frozen
class Issued:
    """One certificate as the register of our authority has it."""

    serial: int
    name: str
    purpose: Purpose
    start: datetime
    end: datetime
    revoked: datetime | None = None
    reason: Reason | None = None

    @property
    def number(self) -> str:
        """The serial number as people and OpenSSL write it."""
        return f"{self.serial:X}"

    def is_good(self, now: datetime) -> bool:
        """Whether it is neither revoked nor expired."""
        return self.revoked is None and now <= self.end

"""What must be provable afterwards: the hash chain of the journal."""

from __future__ import annotations

from tradewright.compliance.chain import GENESIS, Break, Fault, Head, canonical, link, verify

__all__ = ["GENESIS", "Break", "Fault", "Head", "canonical", "link", "verify"]

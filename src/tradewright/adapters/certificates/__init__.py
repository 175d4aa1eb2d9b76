"""Our own certificate authority, and how services verify what it issued."""

from __future__ import annotations

from tradewright.adapters.certificates.authority import Authority, Handed, seconds_left
from tradewright.adapters.certificates.verifier import AuthorityCertificateVerifier

__all__ = ["Authority", "AuthorityCertificateVerifier", "Handed", "seconds_left"]

"""The commands of the services: how they run, and their users, records and settings."""

from __future__ import annotations

from tradewright.cli.services.crew import down, logs, status
from tradewright.cli.services.serve import serve
from tradewright.cli.services.up import up

__all__ = ["down", "logs", "serve", "status", "up"]

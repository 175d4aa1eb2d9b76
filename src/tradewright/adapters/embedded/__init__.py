"""PostgreSQL and Redis from their wheels, started under the state folder when no URL is given.

Both are real servers with durable data; nothing is installed, and nothing outlives its owner.
"""

from __future__ import annotations

from tradewright.adapters.embedded.postgres import EmbeddedPostgres
from tradewright.adapters.embedded.redis import EmbeddedRedis
from tradewright.adapters.embedded.services import EmbeddedServices, embedded_services

__all__ = ["EmbeddedPostgres", "EmbeddedRedis", "EmbeddedServices", "embedded_services"]

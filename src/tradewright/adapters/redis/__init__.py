"""What services share through Redis: states, numbers used once, quotas, logins."""

from tradewright.adapters.redis.connection import open_redis, redis_client
from tradewright.adapters.redis.sessions import RedisSessionStore, RedisTicketStore
from tradewright.adapters.redis.states import (
    CIRCUIT_BREAKER_KEY,
    KILL_SWITCH_KEY,
    RedisStateStore,
)
from tradewright.adapters.redis.turnstile import RedisNonceStore, RedisTurnstile

__all__ = [
    "CIRCUIT_BREAKER_KEY",
    "KILL_SWITCH_KEY",
    "RedisNonceStore",
    "RedisSessionStore",
    "RedisStateStore",
    "RedisTicketStore",
    "RedisTurnstile",
    "open_redis",
    "redis_client",
]

"""A fake of every port, shipped, under the same contract tests as the real ones."""

from tradewright.adapters.memory.access import (
    MemoryCertificateVerifier,
    MemoryNonceStore,
    MemorySecretStore,
    MemorySessionStore,
    MemoryTokenVerifier,
    MemoryTurnstile,
)
from tradewright.adapters.memory.accounts import (
    MemoryIdentityProvider,
    MemoryTicketStore,
    MemoryTokenSigner,
    MemoryUserStore,
)
from tradewright.adapters.memory.audit import MemoryAuditLog, MemoryAuditTable
from tradewright.adapters.memory.trading import (
    MemoryBarStore,
    MemoryBroker,
    MemoryFeed,
    MemoryJournal,
    MemoryOrderStore,
    MemoryStateStore,
)
from tradewright.adapters.memory.work import MemoryExecutor

__all__ = [
    "MemoryAuditLog",
    "MemoryAuditTable",
    "MemoryBarStore",
    "MemoryBroker",
    "MemoryCertificateVerifier",
    "MemoryExecutor",
    "MemoryFeed",
    "MemoryIdentityProvider",
    "MemoryJournal",
    "MemoryNonceStore",
    "MemoryOrderStore",
    "MemorySecretStore",
    "MemorySessionStore",
    "MemoryStateStore",
    "MemoryTicketStore",
    "MemoryTokenSigner",
    "MemoryTokenVerifier",
    "MemoryTurnstile",
    "MemoryUserStore",
]

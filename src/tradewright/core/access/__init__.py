"""Who may do what, how often, and by what they show who they are."""

from __future__ import annotations

from tradewright.core.access.principals import (
    DELEGATED_PERMISSIONS,
    EVERYTHING,
    PERMISSIONS,
    SERVICE_PERMISSIONS,
    Permission,
    Principal,
    PrincipalKind,
    Role,
    UserContext,
    UserSession,
    permissions_of,
    service_principal,
    user_principal,
)

__all__ = [
    "DELEGATED_PERMISSIONS",
    "EVERYTHING",
    "PERMISSIONS",
    "SERVICE_PERMISSIONS",
    "Permission",
    "Principal",
    "PrincipalKind",
    "Role",
    "UserContext",
    "UserSession",
    "permissions_of",
    "service_principal",
    "user_principal",
]

"""Who may do what: permissions, roles, and the principal that a request is made by.

A principal's permissions are settled when it is recognised and do not change afterwards; what a
service does for a user is bounded by both of them. A strategy list of None means every strategy,
an empty one none.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from tradewright.core.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime


class Permission(StrEnum):
    """Everything that may be allowed or not; stable, since tokens carry the values."""

    VIEW = "view"
    RESEARCH = "research"
    SUBMIT_ORDERS = "submit_orders"
    CANCEL_ORDERS = "cancel_orders"
    FLATTEN = "flatten"
    GENERATE_SIGNALS = "generate_signals"
    RELOAD_MODELS = "reload_models"
    RUN_ORCHESTRATION = "run_orchestration"
    MANAGE_RECONCILIATION = "manage_reconciliation"
    MANAGE_ORPHANS = "manage_orphans"
    ENGAGE_KILL_SWITCH = "engage_kill_switch"
    RELEASE_KILL_SWITCH = "release_kill_switch"
    TRIP_BREAKER = "trip_breaker"
    RESET_BREAKER = "reset_breaker"
    MANAGE_LIMITS = "manage_limits"
    VIEW_AUDIT = "view_audit"
    VIEW_METRICS = "view_metrics"
    MANAGE_USERS = "manage_users"
    MANAGE_CERTIFICATES = "manage_certificates"
    RELOAD_SETTINGS = "reload_settings"
    MANAGE_OWN_SESSION = "manage_own_session"


class Role(StrEnum):
    """What a person is here for; one may have several."""

    VIEWER = "viewer"
    RESEARCHER = "researcher"
    OPERATOR = "operator"
    RISK_OFFICER = "risk_officer"
    ADMIN = "admin"


class PrincipalKind(StrEnum):
    """How a principal showed who it is."""

    USER = "user"
    SERVICE = "service"
    CERTIFICATE = "certificate"


EVERYTHING: Final = frozenset(Permission)
_VIEWER: Final = frozenset({Permission.VIEW, Permission.MANAGE_OWN_SESSION})
_RESEARCHER: Final = _VIEWER | {Permission.RESEARCH, Permission.GENERATE_SIGNALS}
_OPERATOR: Final = _VIEWER | {
    Permission.GENERATE_SIGNALS,
    Permission.SUBMIT_ORDERS,
    Permission.CANCEL_ORDERS,
    Permission.FLATTEN,
    Permission.RELOAD_MODELS,
    Permission.RUN_ORCHESTRATION,
    Permission.MANAGE_RECONCILIATION,
    Permission.MANAGE_ORPHANS,
    Permission.ENGAGE_KILL_SWITCH,
    Permission.TRIP_BREAKER,
    Permission.VIEW_METRICS,
}
_RISK_OFFICER: Final = _VIEWER | {
    Permission.CANCEL_ORDERS,
    Permission.FLATTEN,
    Permission.MANAGE_RECONCILIATION,
    Permission.MANAGE_ORPHANS,
    Permission.ENGAGE_KILL_SWITCH,
    Permission.RELEASE_KILL_SWITCH,
    Permission.TRIP_BREAKER,
    Permission.RESET_BREAKER,
    Permission.MANAGE_LIMITS,
    Permission.VIEW_AUDIT,
    Permission.VIEW_METRICS,
}

PERMISSIONS: Final[Mapping[Role, frozenset[Permission]]] = {
    Role.VIEWER: _VIEWER,
    Role.RESEARCHER: _RESEARCHER,
    Role.OPERATOR: _OPERATOR,
    Role.RISK_OFFICER: _RISK_OFFICER,
    Role.ADMIN: EVERYTHING,
}
"""What each role may do; what is not listed is not allowed."""

SERVICE_PERMISSIONS: Final[Mapping[str, frozenset[Permission]]] = {
    "signal": frozenset({Permission.VIEW}),
    "execution": frozenset({Permission.VIEW}),
    "orchestrator": frozenset(
        {
            Permission.VIEW,
            Permission.GENERATE_SIGNALS,
            Permission.SUBMIT_ORDERS,
            Permission.CANCEL_ORDERS,
            Permission.RUN_ORCHESTRATION,
        }
    ),
    "market_data": frozenset({Permission.VIEW}),
    "auth": frozenset({Permission.VIEW}),
    "console": frozenset({Permission.VIEW, Permission.VIEW_METRICS}),
    "cli": EVERYTHING - {Permission.MANAGE_OWN_SESSION},
}
"""What each of our services may do in its own name; a service that is not here is a stranger."""

DELEGATED_PERMISSIONS: Final[Mapping[str, frozenset[Permission]]] = {
    "orchestrator": SERVICE_PERMISSIONS["orchestrator"],
    "console": EVERYTHING,
}
"""The most that a service may do for a user whose context it signs; not here means nothing."""


@frozen
class Principal:
    """Who a request is made by, what it may do, and which strategies it may trade.

    `session` is a user's login; `on_behalf_of` the user whom a service acts for.
    """

    kind: PrincipalKind
    id: str
    roles: frozenset[Role] = frozenset()
    permissions: frozenset[Permission] = frozenset()
    strategies: frozenset[str] | None = None
    session: str | None = None
    on_behalf_of: str | None = None

    def may(self, permission: Permission) -> bool:
        """Whether this may be done."""
        return permission in self.permissions

    def may_trade(self, strategy: str) -> bool:
        """Whether this strategy is among those given to the principal."""
        return self.strategies is None or strategy in self.strategies

    @property
    def subject(self) -> str:
        """Who answers for what is done: the user if there is one, else the principal itself."""
        return self.on_behalf_of or self.id


@frozen
class UserContext:
    """The user whom a service acts for, as the service says and signs."""

    user: str
    roles: frozenset[Role]
    strategies: frozenset[str] | None = None


@frozen
class UserSession:
    """A user's login: what it allows, until when, and what ties a browser to it.

    `csrf` is what a browser must repeat in a header; `refresh` is the hash of the one refresh
    token that is good now.
    """

    id: str
    user: str
    roles: frozenset[Role]
    strategies: frozenset[str] | None
    started: datetime
    expires: datetime
    csrf: str
    refresh: str = ""
    second_factor: bool = False
    address: str = ""
    agent: str = ""


def permissions_of(roles: Iterable[Role]) -> frozenset[Permission]:
    """Return what the roles allow together."""
    return frozenset[Permission]().union(*(PERMISSIONS[role] for role in roles))


def user_principal(
    user: str,
    roles: Iterable[Role],
    *,
    strategies: frozenset[str] | None,
    session: str | None = None,
) -> Principal:
    """Return the principal of a user who showed who they are; their login is theirs to keep."""
    held = frozenset(roles)
    allowed = permissions_of(held) | {Permission.MANAGE_OWN_SESSION}
    return Principal(PrincipalKind.USER, user, held, allowed, strategies, session=session)


def service_principal(service: str, context: UserContext | None = None) -> Principal | None:
    """Return the principal of a service, for a user if it acts for one; None for a stranger."""
    if service not in SERVICE_PERMISSIONS:
        return None
    if context is None:
        return Principal(PrincipalKind.SERVICE, service, permissions=SERVICE_PERMISSIONS[service])
    most = DELEGATED_PERMISSIONS.get(service, frozenset())
    return Principal(
        PrincipalKind.SERVICE,
        service,
        context.roles,
        permissions_of(context.roles) & most,
        context.strategies,
        on_behalf_of=context.user,
    )

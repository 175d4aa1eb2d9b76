from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewright.core.access import (
    DELEGATED_PERMISSIONS,
    EVERYTHING,
    PERMISSIONS,
    SERVICE_PERMISSIONS,
    Permission,
    PrincipalKind,
    Role,
    UserContext,
    permissions_of,
    service_principal,
    user_principal,
)
from tradewright.core.access.quotas import Passage, Quota, QuotaState

ROLES = st.frozensets(st.sampled_from(Role))


def test_every_role_is_listed_and_admin_may_do_everything() -> None:
    assert set(PERMISSIONS) == set(Role)
    assert PERMISSIONS[Role.ADMIN] == EVERYTHING == frozenset(Permission)


@pytest.mark.parametrize(
    ("permission", "roles"),
    [
        (Permission.VIEW, set(Role)),
        (Permission.MANAGE_OWN_SESSION, set(Role)),
        (Permission.SUBMIT_ORDERS, {Role.OPERATOR, Role.ADMIN}),
        (Permission.FLATTEN, {Role.OPERATOR, Role.RISK_OFFICER, Role.ADMIN}),
        (Permission.ENGAGE_KILL_SWITCH, {Role.OPERATOR, Role.RISK_OFFICER, Role.ADMIN}),
        (Permission.RELEASE_KILL_SWITCH, {Role.RISK_OFFICER, Role.ADMIN}),
        (Permission.RESET_BREAKER, {Role.RISK_OFFICER, Role.ADMIN}),
        (Permission.MANAGE_LIMITS, {Role.RISK_OFFICER, Role.ADMIN}),
        (Permission.MANAGE_RECONCILIATION, {Role.OPERATOR, Role.RISK_OFFICER, Role.ADMIN}),
        (Permission.MANAGE_USERS, {Role.ADMIN}),
        (Permission.MANAGE_CERTIFICATES, {Role.ADMIN}),
        (Permission.RELOAD_SETTINGS, {Role.ADMIN}),
    ],
)
def test_who_may_do_what(permission: Permission, roles: set[Role]) -> None:
    assert {role for role in Role if permission in PERMISSIONS[role]} == roles


def test_nobody_without_a_role_may_do_more_than_end_a_login() -> None:
    assert permissions_of([]) == frozenset()
    nobody = user_principal("anna", [], strategies=None)
    assert nobody.permissions == {Permission.MANAGE_OWN_SESSION}


@given(ROLES, ROLES)
def test_more_roles_never_allow_less(some: frozenset[Role], more: frozenset[Role]) -> None:
    assert permissions_of(some) <= permissions_of(some | more)


@given(st.sampled_from(sorted(SERVICE_PERMISSIONS)), ROLES)
def test_a_service_does_no_more_for_a_user_than_either_may(
    service: str, roles: frozenset[Role]
) -> None:
    principal = service_principal(service, UserContext("anna", roles))
    assert principal is not None
    assert principal.permissions <= permissions_of(roles)
    assert principal.permissions <= DELEGATED_PERMISSIONS.get(service, frozenset())
    assert (principal.kind, principal.id, principal.subject) == (
        PrincipalKind.SERVICE,
        service,
        "anna",
    )


def test_a_strange_service_is_nobody() -> None:
    assert service_principal("mallory") is None
    assert service_principal("mallory", UserContext("anna", frozenset({Role.ADMIN}))) is None


def test_no_service_releases_the_kill_switch_by_itself_but_the_operators_own() -> None:
    able = {
        name for name, may in SERVICE_PERMISSIONS.items() if Permission.RELEASE_KILL_SWITCH in may
    }
    assert able == {"cli"}


def test_strategies_of_a_user() -> None:
    some = user_principal("anna", [Role.OPERATOR], strategies=frozenset({"momentum"}))
    assert some.may_trade("momentum")
    assert not some.may_trade("pairs")
    assert user_principal("anna", [], strategies=None).may_trade("pairs")
    assert not user_principal("anna", [], strategies=frozenset()).may_trade("momentum")


def test_values_are_stable_words() -> None:
    assert all(one.value == one.name.lower() for one in (*Permission, *Role, *PrincipalKind))


def test_the_spent_quotas_of_a_passage() -> None:
    full = QuotaState(Quota("a", 1, 60), 0, 10.0, spent=True)
    free = QuotaState(Quota("b", 2, 60), 1, 10.0, spent=False)
    assert Passage(replayed=False, quotas=(full, free)).spent == (full,)
    assert Passage(replayed=True).spent == ()

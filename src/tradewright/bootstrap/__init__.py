"""The composition root: settings in, wired objects out; the only module that chooses adapters."""

from __future__ import annotations

from tradewright.adapters.rehearsal_process import ExchangeProcess
from tradewright.bootstrap.accounts import (
    Account,
    Conduct,
    Place,
    account_place,
    conduct_of,
    exchange_place,
)
from tradewright.bootstrap.clients import service_client
from tradewright.bootstrap.logins import (
    identity_provider,
    make_missing_keys,
    rotate_signing_key,
)
from tradewright.bootstrap.markets import (
    FORMATS,
    SAMPLE_LABEL,
    bar_reader,
    bar_store,
    load_market,
    load_quotes,
)
from tradewright.bootstrap.records import (
    audit_table,
    authority,
    certificates_left,
    waiting_audit,
)
from tradewright.bootstrap.runs import Rehearsal, rehearse
from tradewright.bootstrap.services import (
    Resources,
    random_id,
    secret_store,
    service_databases,
    service_resources,
    unfit_secrets,
)
from tradewright.bootstrap.stores import (
    REHEARSALS,
    Databases,
    Stores,
    clock_skew,
    databases,
    open_stores,
)
from tradewright.configuration import Settings
from tradewright.settings import (
    environment_with,
    examined_settings,
    load_settings,
    production_faults,
    secret_settings,
)

__all__ = [
    "FORMATS",
    "REHEARSALS",
    "SAMPLE_LABEL",
    "Account",
    "Conduct",
    "Databases",
    "ExchangeProcess",
    "Place",
    "Rehearsal",
    "Resources",
    "Settings",
    "Stores",
    "account_place",
    "audit_table",
    "authority",
    "bar_reader",
    "bar_store",
    "certificates_left",
    "clock_skew",
    "conduct_of",
    "databases",
    "environment_with",
    "examined_settings",
    "exchange_place",
    "identity_provider",
    "load_market",
    "load_quotes",
    "load_settings",
    "make_missing_keys",
    "open_stores",
    "production_faults",
    "random_id",
    "rehearse",
    "rotate_signing_key",
    "secret_settings",
    "secret_store",
    "service_client",
    "service_databases",
    "service_resources",
    "unfit_secrets",
    "waiting_audit",
]

"""The composition root: settings in, wired objects out; the only module that chooses adapters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradewright.lazy import lazily

if TYPE_CHECKING:
    from tradewright.adapters.rehearsal_process import ExchangeProcess
    from tradewright.bootstrap.accounts import (
        Account,
        Conduct,
        Place,
        account_place,
        conduct_of,
        exchange_place,
    )
    from tradewright.bootstrap.clients import own_client, service_client
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
        load_detail,
        load_market,
        load_quotes,
    )
    from tradewright.bootstrap.records import (
        anchor_key,
        audit_table,
        authority,
        certificates_left,
        make_anchor_key,
        record,
        waiting_audit,
    )
    from tradewright.bootstrap.runs import Rehearsal, rehearse
    from tradewright.bootstrap.secrets import random_id, secret_store, unfit_secrets
    from tradewright.bootstrap.services import (
        Resources,
        service_databases,
        service_resources,
    )
    from tradewright.bootstrap.stores import (
        REHEARSALS,
        Databases,
        Stores,
        clock_skew,
        databases,
        open_stores,
    )
    from tradewright.bootstrap.work import open_executor, usual_workers
    from tradewright.configuration import Settings, changes, shown_value
    from tradewright.settings import (
        environment_with,
        examined_settings,
        load_settings,
        production_faults,
        secret_settings,
    )
else:
    __getattr__, __dir__ = lazily(__name__, __file__)

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
    "anchor_key",
    "audit_table",
    "authority",
    "bar_reader",
    "bar_store",
    "certificates_left",
    "changes",
    "clock_skew",
    "conduct_of",
    "databases",
    "environment_with",
    "examined_settings",
    "exchange_place",
    "identity_provider",
    "load_detail",
    "load_market",
    "load_quotes",
    "load_settings",
    "make_anchor_key",
    "make_missing_keys",
    "open_executor",
    "open_stores",
    "own_client",
    "production_faults",
    "random_id",
    "record",
    "rehearse",
    "rotate_signing_key",
    "secret_settings",
    "secret_store",
    "service_client",
    "service_databases",
    "service_resources",
    "shown_value",
    "unfit_secrets",
    "usual_workers",
    "waiting_audit",
]

"""Settings of logs, the audit log and certificates, and what they refuse together."""

from __future__ import annotations

from pathlib import Path

import pytest

from tradewright.core.errors import ConfigError
from tradewright.settings import load_settings


def read(tmp_path: Path, **given: str) -> object:
    nothing = tmp_path / "empty.toml"
    nothing.touch()
    return load_settings({"TRADEWRIGHT_STATE_DIR": str(tmp_path), **given}, nothing)


def test_production_does_not_log_at_debug(tmp_path: Path) -> None:
    read(tmp_path, LOG_LEVEL="DEBUG")
    read(tmp_path, LOG_LEVEL="INFO", ENVIRONMENT="production")
    with pytest.raises(ConfigError, match="LOG_LEVEL is DEBUG in production"):
        read(tmp_path, LOG_LEVEL="DEBUG", ENVIRONMENT="production")


def test_a_certificate_goes_with_its_key(tmp_path: Path) -> None:
    paths = {"KILLSWITCH_MTLS_CERT_PATH": "a.crt", "KILLSWITCH_MTLS_KEY_PATH": "a.key"}
    read(tmp_path, **paths)
    for name in paths:
        with pytest.raises(ConfigError, match="go together"):
            read(tmp_path, **{name: "a"})


def test_places_follow_from_the_state_folder(tmp_path: Path) -> None:
    nothing = tmp_path / "empty.toml"
    nothing.touch()
    unset = load_settings({"TRADEWRIGHT_STATE_DIR": str(tmp_path)}, nothing)
    assert unset.audit_spool_folder == tmp_path / "audit-spool"
    assert unset.revocation_list == tmp_path / "ca" / "ca.crl"
    given = load_settings({"KILLSWITCH_CA_CERT_PATH": "/etc/tw/ca.crt"}, nothing)
    assert given.revocation_list == Path("/etc/tw/ca.crl")

"""Our authority: what it issues is good for TLS and OpenSSL, and what it revokes is out at once."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tradewright.adapters.certificates import (
    Authority,
    AuthorityCertificateVerifier,
    Handed,
    seconds_left,
)
from tradewright.adapters.memory import MemoryUserStore
from tradewright.core.access import Permission, PrincipalKind, Role
from tradewright.core.access.accounts import User
from tradewright.core.access.certificates import Purpose, Reason
from tradewright.core.clock import ManualClock, SystemClock
from tradewright.core.errors import ConfigError, InvalidInput, NotAuthenticated, SafetyError

NOW = SystemClock().now().replace(microsecond=0)
"""The present, since OpenSSL goes by the wall clock."""
PHRASE = "correct horse battery"
ANNA = User(
    "user-1",
    "anna",
    frozenset({Role.RISK_OFFICER}),
    NOW,
    NOW,
    strategies=frozenset({"alpha"}),
)


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    found = Authority(tmp_path / "ca", lambda: PHRASE)
    found.init("operators", NOW, list_days=30)
    return found


class Door:
    """A verifier over an authority's files, with a clock that can be moved and one user."""

    def __init__(self, authority: Path, revoked: Path) -> None:
        self.clock = ManualClock(NOW)
        self.users = MemoryUserStore()
        asyncio.run(self.users.add(ANNA))
        self._verifier = AuthorityCertificateVerifier(authority, revoked, self.users, self.clock)

    def ask(self, der: bytes) -> str:
        return asyncio.run(self._verifier.verify(der)).id

    def refusal(self, der: bytes) -> str:
        with pytest.raises(NotAuthenticated) as caught:
            self.ask(der)
        return caught.value.code


@pytest.fixture
def door(ours: Authority) -> Door:
    return Door(ours.certificate_path, ours.list_path)


def der(handed: Handed) -> bytes:
    found = x509.load_pem_x509_certificate(handed.certificate)
    return found.public_bytes(serialization.Encoding.DER)


def test_a_good_certificate_speaks_for_its_user(ours: Authority, door: Door) -> None:
    by_id, by_name = ours.issue("user-1", NOW), ours.issue("anna", NOW)
    assert door.ask(der(by_id)) == door.ask(der(by_name)) == "user-1"
    principal = asyncio.run(door._verifier.verify(der(by_id)))
    assert principal.kind is PrincipalKind.CERTIFICATE
    assert principal.may(Permission.RELEASE_KILL_SWITCH)
    assert not principal.may(Permission.MANAGE_USERS)
    assert principal.strategies == frozenset({"alpha"})


def test_revoking_a_leaver_takes_effect_with_the_next_request(ours: Authority, door: Door) -> None:
    first, second = ours.issue("anna", NOW), ours.issue("anna", NOW)
    assert door.ask(der(first)) == "user-1"
    gone = ours.revoke("anna", Reason.LEFT, NOW, list_days=30)
    assert {one.serial for one in gone} == {first.issued.serial, second.issued.serial}
    assert door.refusal(der(first)) == door.refusal(der(second)) == "certificate_revoked"


def test_one_of_several_can_be_revoked(ours: Authority, door: Door) -> None:
    lost, backup = ours.issue("anna", NOW), ours.issue("anna", NOW)
    ours.revoke(lost.issued.number, Reason.KEY_COMPROMISE, NOW, list_days=30)
    assert door.refusal(der(lost)) == "certificate_revoked"
    assert door.ask(der(backup)) == "user-1"
    reasons = [one.reason for one in ours.issued()]
    assert reasons.count(Reason.KEY_COMPROMISE) == 1


@pytest.mark.parametrize("who", ["nobody", "anna", "FFFF"])
def test_only_what_is_good_can_be_revoked(who: str, ours: Authority) -> None:
    if who == "anna":
        ours.issue("anna", NOW)
        ours.revoke("anna", Reason.LEFT, NOW, list_days=30)
    with pytest.raises(InvalidInput, match="neither the name"):
        ours.revoke(who, Reason.LEFT, NOW, list_days=30)


def test_a_user_who_may_not_log_in_is_refused(ours: Authority, door: Door) -> None:
    good, stranger = ours.issue("anna", NOW), ours.issue("bob", NOW)
    assert door.refusal(der(stranger)) == "certificate_invalid"
    asyncio.run(door.users.put(replace(ANNA, disabled=True, version=2), 1))
    assert door.refusal(der(good)) == "certificate_invalid"


def test_time_runs_out(ours: Authority, door: Door) -> None:
    short = ours.issue("anna", NOW, days=5)
    door.clock.advance(timedelta(days=5, seconds=1))
    assert door.refusal(der(short)) == "certificate_expired"


def test_a_certificate_of_the_future_is_refused(ours: Authority, door: Door) -> None:
    ahead = ours.issue("anna", NOW + timedelta(days=2))
    assert door.refusal(der(ahead)) == "certificate_expired"


def test_another_authority_is_a_stranger(tmp_path: Path, door: Door) -> None:
    other = Authority(tmp_path / "other", lambda: PHRASE)
    other.init("operators", NOW, list_days=30)
    assert door.refusal(der(other.issue("anna", NOW))) == "certificate_invalid"


def test_a_servers_certificate_does_not_call(ours: Authority, door: Door) -> None:
    server = ours.issue("anna", NOW, purpose=Purpose.SERVER)
    assert door.refusal(der(server)) == "certificate_invalid"


def test_the_authority_itself_does_not_call(ours: Authority, door: Door) -> None:
    shown = ours.certificate().public_bytes(serialization.Encoding.DER)
    assert door.refusal(shown) == "certificate_invalid"


def test_a_stale_list_lets_nobody_in(ours: Authority, door: Door) -> None:
    good = ours.issue("anna", NOW)
    door.clock.advance(timedelta(days=31))
    with pytest.raises(SafetyError, match="tradewright certs crl"):
        door.ask(der(good))
    ours.refresh_list(door.clock.now(), list_days=30)
    assert door.ask(der(good)) == "user-1"


def missing(path: Path, _tmp: Path) -> None:
    path.unlink()


def torn(path: Path, _tmp: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


def of_another(path: Path, tmp: Path) -> None:
    other = Authority(tmp / "other", lambda: PHRASE)
    other.init("operators", NOW, list_days=30)
    path.write_bytes(other.list_path.read_bytes())


@pytest.mark.parametrize("harm", [missing, torn, of_another])
def test_without_a_list_to_trust_nobody_is_let_in(
    harm: Callable[[Path, Path], None], ours: Authority, door: Door, tmp_path: Path
) -> None:
    good = ours.issue("anna", NOW)
    kept = ours.list_path.read_bytes()
    assert door.ask(der(good)) == "user-1"
    harm(ours.list_path, tmp_path)
    with pytest.raises(SafetyError):
        door.ask(der(good))
    ours.list_path.write_bytes(kept)
    assert door.ask(der(good)) == "user-1"


def test_an_older_list_is_not_believed(ours: Authority, door: Door) -> None:
    good = ours.issue("anna", NOW)
    older = ours.list_path.read_bytes()
    ours.revoke("anna", Reason.LEFT, NOW, list_days=30)
    assert door.refusal(der(good)) == "certificate_revoked"
    ours.list_path.write_bytes(older)
    with pytest.raises(SafetyError, match="older"):
        door.ask(der(good))


def test_without_an_authority_no_certificate_is_good(tmp_path: Path, ours: Authority) -> None:
    door = Door(tmp_path / "none.crt", tmp_path / "none.crl")
    assert door.refusal(der(ours.issue("anna", NOW))) == "certificate_invalid"


def test_the_authority_is_replaced_without_a_restart(
    ours: Authority, door: Door, tmp_path: Path
) -> None:
    before = ours.issue("anna", NOW)
    assert door.ask(der(before)) == "user-1"
    fresh = Authority(tmp_path / "fresh", lambda: PHRASE)
    fresh.init("operators 2", NOW, list_days=30)
    ours.certificate_path.write_bytes(fresh.certificate_path.read_bytes())
    ours.list_path.write_bytes(fresh.list_path.read_bytes())
    assert door.refusal(der(before)) == "certificate_invalid"
    assert door.ask(der(fresh.issue("anna", NOW))) == "user-1"


@settings(
    max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_no_bit_of_a_certificate_can_be_changed(
    place: int, bit: int, ours: Authority, door: Door
) -> None:
    shown = bytearray(der(ours.issue("anna", NOW)))
    shown[place % len(shown)] ^= 1 << bit
    assert door.refusal(bytes(shown)) == "certificate_invalid"


@given(shown=st.binary(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_what_is_no_certificate_is_refused(shown: bytes, door: Door) -> None:
    assert door.refusal(shown) == "certificate_invalid"


def test_keys_are_sealed_and_for_this_account_only(ours: Authority) -> None:
    folder = ours.certificate_path.parent
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "ca.key").stat().st_mode & 0o777 == 0o600
    assert b"ENCRYPTED" in (folder / "ca.key").read_bytes()
    handed = ours.issue("anna", NOW, passphrase="of the operator")
    assert handed.key is not None
    assert b"ENCRYPTED" in handed.key
    assert handed.bundle is not None
    key, own, chain = pkcs12.load_key_and_certificates(handed.bundle, b"of the operator")
    assert key is not None
    assert own is not None
    assert own.serial_number == handed.issued.serial
    assert [one.subject for one in chain] == [ours.certificate().subject]


def test_a_wrong_passphrase_signs_nothing(ours: Authority) -> None:
    thief = Authority(ours.certificate_path.parent, lambda: "another phrase")
    with pytest.raises(ConfigError, match="does not open"):
        thief.issue("anna", NOW)
    assert not ours.issued()


def test_a_short_passphrase_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="shorter"):
        Authority(tmp_path / "ca", lambda: "short").init("x", NOW, list_days=30)
    assert not (tmp_path / "ca").exists()


def test_an_authority_is_never_made_over_another(ours: Authority) -> None:
    with pytest.raises(ConfigError, match="already"):
        ours.init("again", NOW, list_days=30)


def test_without_an_authority_nothing_is_issued(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="certs init"):
        Authority(tmp_path / "none", lambda: PHRASE).issue("anna", NOW)


@pytest.mark.parametrize("name", ["", "a b", "../x", "a" * 65, "-a", "é", "a\n"])
def test_a_name_that_does_not_fit_is_refused(name: str, ours: Authority) -> None:
    with pytest.raises(InvalidInput):
        ours.issue(name, NOW)
    assert not ours.issued()


def test_a_certificate_does_not_outlive_the_authority(ours: Authority) -> None:
    late = ours.issue("anna", NOW + timedelta(days=3600))
    assert late.issued.end == ours.certificate().not_valid_after_utc


def a_request(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mallory")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def test_a_request_gets_the_name_that_we_say(ours: Authority, door: Door) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    handed = ours.issue("anna", NOW, request=a_request(key))
    assert (handed.key, handed.bundle) == (None, None)
    assert door.ask(der(handed)) == "user-1"


def test_a_request_that_does_not_fit_is_refused(ours: Authority) -> None:
    for request in (
        a_request(rsa.generate_private_key(65537, 2048)),
        a_request(ec.generate_private_key(ec.SECP384R1())),
        b"nonsense",
    ):
        with pytest.raises(InvalidInput, match="--csr"):
            ours.issue("anna", NOW, request=request)
    assert not ours.issued()


def test_a_register_that_cannot_be_read_is_an_error(ours: Authority) -> None:
    register = ours.certificate_path.parent / "register.json"
    register.write_text("{")
    with pytest.raises(ConfigError, match="cannot be understood"):
        ours.issue("anna", NOW)


def test_seconds_left(ours: Authority, tmp_path: Path) -> None:
    (tmp_path / "a.crt").write_bytes(ours.issue("anna", NOW, days=10).certificate)
    assert seconds_left(tmp_path / "a.crt", NOW) == timedelta(days=10).total_seconds()
    assert seconds_left(ours.list_path, NOW) == timedelta(days=30).total_seconds()
    (tmp_path / "b.crt").write_text("nothing")
    for path in (tmp_path / "b.crt", tmp_path / "c.crt"):
        with pytest.raises(ConfigError, match="restore it"):
            seconds_left(path, NOW)


def test_openssl_agrees(ours: Authority, tmp_path: Path) -> None:
    good, gone = ours.issue("anna", NOW), ours.issue("bob", NOW)
    ours.revoke("bob", Reason.LEFT, NOW, list_days=30)
    for handed in (good, gone):
        path = tmp_path / f"{handed.issued.name}.crt"
        path.write_bytes(handed.certificate)
    command = ["openssl", "verify", "-crl_check", "-purpose", "sslclient", "-x509_strict"]
    command += ["-CAfile", str(ours.certificate_path), "-CRLfile", str(ours.list_path)]

    def verified(name: str) -> subprocess.CompletedProcess[str]:
        path = str(tmp_path / f"{name}.crt")
        return subprocess.run([*command, path], capture_output=True, text=True, check=False)

    assert verified("anna").returncode == 0, verified("anna").stderr
    assert "certificate revoked" in verified("bob").stderr


def a_context(
    purpose: ssl.Purpose, ours: Authority, handed: Handed, folder: Path
) -> ssl.SSLContext:
    stem = folder / handed.issued.name
    stem.with_suffix(".crt").write_bytes(handed.certificate)
    stem.with_suffix(".key").write_bytes(handed.key or b"")
    context = ssl.create_default_context(purpose, cafile=str(ours.certificate_path))
    context.load_cert_chain(stem.with_suffix(".crt"), stem.with_suffix(".key"))
    return context


def test_a_tls_handshake_shows_the_caller(ours: Authority, door: Door, tmp_path: Path) -> None:
    server = ours.issue("localhost", NOW, purpose=Purpose.SERVER)
    inside = a_context(ssl.Purpose.CLIENT_AUTH, ours, server, tmp_path)
    inside.verify_mode = ssl.CERT_REQUIRED
    outside = a_context(ssl.Purpose.SERVER_AUTH, ours, ours.issue("anna", NOW), tmp_path)
    seen: list[bytes | None] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        link, _ = listener.accept()
        with inside.wrap_socket(link, server_side=True) as tls:
            seen.append(tls.getpeercert(binary_form=True))
            tls.sendall(b"ok")

    thread = threading.Thread(target=serve)
    thread.start()
    with (
        socket.create_connection(listener.getsockname()) as link,
        outside.wrap_socket(link, server_hostname="localhost") as tls,
    ):
        assert tls.recv(2) == b"ok"
    thread.join()
    listener.close()
    (shown,) = seen
    assert shown is not None
    assert door.ask(shown) == "user-1"


def test_a_folder_that_cannot_be_written_leaves_all_as_it_was(ours: Authority) -> None:
    folder = ours.certificate_path.parent
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    if os.geteuid() == 0:
        # The superuser may write anywhere but over a folder.
        (folder / "register.json").unlink()
        (folder / "register.json").mkdir()
        with pytest.raises(ConfigError):
            ours.issue("anna", NOW)
        (folder / "register.json").rmdir()
        (folder / "register.json").write_bytes(before["register.json"])
    else:
        folder.chmod(0o500)
        with pytest.raises(ConfigError):
            ours.issue("anna", NOW)
        folder.chmod(0o700)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before

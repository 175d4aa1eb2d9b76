"""The server of a service on its port: certificates, patience, and what is no request at all."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fastapi import APIRouter, FastAPI, Request
from starlette.responses import JSONResponse

from tradewright.core.errors import ConfigError
from tradewright.services import server as served
from tradewright.services.security import public
from tradewright.services.server import HEAD_BYTES, ServiceServer, TlsFiles

YEAR = timedelta(days=365)
Pair = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def issue(name: str, authority: Pair | None = None) -> Pair:
    """A certificate by an authority, or one of an authority itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime(2026, 1, 1, tzinfo=UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(authority[0].subject if authority else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + 10 * YEAR)
        .add_extension(x509.BasicConstraints(ca=authority is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    )
    return builder.sign(authority[1] if authority else key, hashes.SHA256()), key


def write(folder: Path, name: str, pair: Pair) -> tuple[Path, Path]:
    """The files of a certificate and its key, in the place of those before."""
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    content = pair[0].public_bytes(serialization.Encoding.PEM)
    private = pair[1].private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    for path, text in ((certificate, content), (key, private)):
        fresh = path.with_suffix(".new")
        fresh.write_bytes(text)
        fresh.replace(path)
    return certificate, key


router = APIRouter()


@router.get("/who", dependencies=[public("for the tests")])
async def who(request: Request) -> JSONResponse:
    shown = request.scope.get("extensions", {}).get("tls", {}).get("client_certificate")
    name = ""
    if shown:
        subject = x509.load_der_x509_certificate(shown).subject
        name = str(subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
    return JSONResponse({"name": name, "scheme": request.url.scheme})


@asynccontextmanager
async def running(tls: TlsFiles | None = None) -> AsyncIterator[ServiceServer]:
    app = FastAPI()
    app.include_router(router)
    up = asyncio.Event()
    server = ServiceServer(app, "127.0.0.1", 0, tls=tls, ready=lambda _url: up.set())
    serving = asyncio.create_task(server.listen())
    await up.wait()
    try:
        yield server
    finally:
        server.stop()
        await serving


async def ask(server: ServiceServer, asked: bytes, context: ssl.SSLContext | None = None) -> bytes:
    """What comes back for bytes, until the server closes."""
    port = int(server.url.rsplit(":", 1)[1])
    named = "localhost" if context else None
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname=named
    )
    writer.write(asked)
    answer = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    return answer


GET = b"GET /who HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def trusting(folder: Path, authority: Pair, client: tuple[Path, Path] | None) -> ssl.SSLContext:
    path, _ = write(folder, "trusted", authority)
    context = ssl.create_default_context(cafile=str(path))
    if client:
        context.load_cert_chain(*client)
    return context


async def test_a_client_may_show_a_certificate_and_need_not(tmp_path: Path) -> None:
    ours = issue("our authority")
    files = TlsFiles(*write(tmp_path, "server", issue("localhost", ours)), tmp_path / "trusted.crt")
    write(tmp_path, "trusted", ours)
    ann = write(tmp_path, "ann", issue("ann", ours))
    async with running(files) as server:
        assert server.url.startswith("https://")
        shown = await ask(server, GET, trusting(tmp_path, ours, ann))
        assert b'"name":"ann","scheme":"https"' in shown
        without = await ask(server, GET, trusting(tmp_path, ours, None))
        assert b'"name":""' in without
        stranger = write(tmp_path, "eve", issue("eve", issue("another authority")))
        # The handshake fails, or under TLS 1.3 the first thing that is read.
        with contextlib.suppress(OSError):
            assert not await ask(server, GET, trusting(tmp_path, ours, stranger))


async def test_old_versions_of_tls_are_refused(tmp_path: Path) -> None:
    ours = issue("our authority")
    files = TlsFiles(*write(tmp_path, "server", issue("localhost", ours)))
    context = trusting(tmp_path, ours, None)
    assert files.context().minimum_version is ssl.TLSVersion.TLSv1_2
    async with running(files) as server:
        assert b"200 OK" in await ask(server, GET, context)


async def test_a_changed_certificate_is_used_without_a_restart(tmp_path: Path) -> None:
    first, second = issue("first authority"), issue("second authority")
    files = TlsFiles(*write(tmp_path, "server", issue("localhost", first)))
    async with running(files) as server:
        assert b"200 OK" in await ask(server, GET, trusting(tmp_path, first, None))
        assert not server.reload()
        write(tmp_path, "server", issue("localhost", second))
        assert server.reload()
        assert b"200 OK" in await ask(server, GET, trusting(tmp_path, second, None))
        with pytest.raises(ssl.SSLCertVerificationError):
            await ask(server, GET, trusting(tmp_path, first, None))


async def test_a_bad_certificate_leaves_the_last_in_use(tmp_path: Path) -> None:
    ours = issue("our authority")
    certificate, key = write(tmp_path, "server", issue("localhost", ours))
    async with running(TlsFiles(certificate, key)) as server:
        _, other = write(tmp_path, "other", issue("localhost", ours))
        key.write_bytes(other.read_bytes())
        assert not server.reload()
        assert b"200 OK" in await ask(server, GET, trusting(tmp_path, ours, None))
        certificate.unlink()
        assert not server.reload()
        assert b"200 OK" in await ask(server, GET, trusting(tmp_path, ours, None))


@pytest.mark.parametrize("content", [b"", b"no certificate"])
def test_a_certificate_that_cannot_be_used_is_told_of_at_the_start(
    content: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "server.crt"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="TLS_CERT_PATH"):
        ServiceServer(FastAPI(), "127.0.0.1", 0, tls=TlsFiles(path, path))
    with pytest.raises(ConfigError, match="TLS_CERT_PATH"):
        TlsFiles(tmp_path / "none.crt", path).context()


async def test_what_is_no_request_is_answered_by_a_problem() -> None:
    async with running() as server:
        answer = await ask(server, b"\x16\x03\x01 nonsense\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 400")
        assert b"application/problem+json" in answer
        assert b"x-frame-options: DENY" in answer


@pytest.mark.parametrize(
    "asked",
    [
        b"GET /who HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * (HEAD_BYTES + 1) + b"\r\n\r\n",
        b"GET /" + b"x" * (HEAD_BYTES + 1) + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /who HTTP/1.1\r\nContent-Length: 2\r\n" + b"X: y\r\n" * HEAD_BYTES + b"\r\n{}",
    ],
    ids=["header", "path", "many"],
)
async def test_a_head_that_is_too_large_is_refused(asked: bytes) -> None:
    async with running() as server:
        answer = await ask(server, asked)
        assert answer.startswith(b"HTTP/1.1 431")
        assert b"headers_too_large" in answer
        assert answer.count(b"HTTP/1.1") == 1


async def test_who_says_nothing_is_let_go() -> None:
    async with running() as server:
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert await ask(server, b"GET /who HTTP/1.1\r\n") == b""
        assert served.HEAD_SECONDS - 1 <= loop.time() - began <= served.HEAD_SECONDS + 5


async def test_a_port_in_use_is_an_error_of_the_start() -> None:
    async with running() as server:
        port = int(server.url.rsplit(":", 1)[1])
        with pytest.raises(ConfigError, match=f"port {port}"):
            ServiceServer(FastAPI(), "127.0.0.1", port)


async def test_the_server_does_not_say_what_it_is() -> None:
    async with running() as server:
        answer = (await ask(server, GET)).lower()
        assert b"\r\nserver:" not in answer
        assert b"\r\ndate:" in answer

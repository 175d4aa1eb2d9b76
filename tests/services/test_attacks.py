"""The doors as somebody attacks them who reads RFCs: over raw bytes, against a running service."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.services.notebook import Notebook, a_notebook
from tradewright.wire import signing

SECONDS = 1.0
BODY = json.dumps({"text": "bought"}).encode()
QUIET = 1.5
"""How long a server that has answered may take to go on."""
HOST = b"Host: localhost\r\n"
LAST = HOST + b"Connection: close\r\n"
"""Of a request after which the server closes, so that nobody waits for more."""


@pytest.fixture
async def book(tmp_path: Path, database_url: str, redis_url: str) -> AsyncIterator[Notebook]:
    settings = {"REQUEST_TIMEOUT_SECONDS": str(SECONDS), "DATABASE_POOL_MIN": "1"}
    async with a_notebook(tmp_path, database_url, redis_url, settings=settings) as running:
        yield running


async def raw(book: Notebook, *parts: bytes, pause: float = 0.0) -> bytes:
    """What comes back for bytes, sent in parts, until the server closes or has no more to say."""
    port = int(book.server.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer, patience = b"", 20.0
    with contextlib.suppress(OSError):
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)
    with contextlib.suppress(TimeoutError, OSError):
        while part := await asyncio.wait_for(reader.read(65_536), patience):
            answer, patience = answer + part, QUIET
    writer.close()
    return answer


def statuses(answer: bytes) -> list[int]:
    """The status of each answer on a connection."""
    return [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]


def code(answer: bytes) -> str:
    return str(json.loads(answer.rpartition(b"\r\n\r\n")[2])["code"])


def head(told: dict[str, str]) -> bytes:
    return "".join(f"{name}: {value}\r\n" for name, value in told.items()).encode()


def signed(
    book: Notebook, method: str, target: str, content: bytes = b"", start: bytes = LAST
) -> bytes:
    """The head of a signed request, without the length of its body."""
    told = head(book.signed(method, target, content))
    kind = b"Content-Type: application/json\r\n" if content else b""
    return f"{method} {target} HTTP/1.1\r\n".encode() + start + told + kind


async def count(book: Notebook) -> int:
    """How many notes there are."""
    assert book.shelf.resources is not None
    async with book.shelf.resources.pool.connection() as link:
        found = await link.execute("SELECT count(*) AS n FROM notes")
        row = await found.fetchone()
        assert row is not None
        return int(row["n"])


SMUGGLED = b"GET /notes/1 HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 18\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 18\r\n",
        b"Content-Length: 18\r\nContent-Length: 5\r\n",
        b"Content-Length: 18, 18\r\n",
        b"Content-Length: +18\r\n",
        b"Content-Length: 0x12\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length : 18\r\n",
        b"Content-Length: 99999999999999999999999\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"X: a\rContent-Length: 18\r\n",
        b"X\0: a\r\nContent-Length: 18\r\n",
        b" Folded: a\r\nContent-Length: 18\r\n",
    ],
)
async def test_bodies_that_two_readers_could_cut_apart_are_refused(
    book: Notebook, framing: bytes
) -> None:
    answer = await raw(
        book, signed(book, "POST", "/notes", BODY), framing + b"\r\n", BODY + SMUGGLED
    )
    assert statuses(answer)[0] in {400, 401, 413}, answer[:120]
    assert 200 not in statuses(answer)
    assert 201 not in statuses(answer)
    assert await count(book) == 0


@pytest.mark.parametrize(
    "start",
    [
        b"CONNECT evil.example.com:443 HTTP/1.1\r\n" + HOST,
        b"CONNECT /notes/1 HTTP/1.1\r\n" + HOST,
        b"GET  /notes/1 HTTP/1.1\r\n" + HOST,
        b"get /notes/1 HTTP/1.1\r\n" + HOST,
        b"GET /notes/1 HTTP/2.0\r\n" + HOST,
        b"GET /notes/1\r\n",
        b"PRI * HTTP/2.0\r\n",
        b"GET * HTTP/1.1\r\n" + HOST,
        b"TRACE /notes/1 HTTP/1.1\r\n" + HOST,
        b"GET /notes/1 HTTP/1.1\r\n",
        b"GET /notes/1 HTTP/1.1\r\nHost: evil.example.com\r\nHost: localhost\r\n",
        b"GET /notes/1 HTTP/1.1\r\nHost: localhost\r\nHost: evil.example.com\r\n",
        b"GET http://evil.example.com/notes/1 HTTP/1.1\r\nHost: evil.example.com\r\n",
        b"GET /notes/1 HTTP/1.1\r\nHost: localhost.evil.example.com\r\n",
        b"GET /notes/1 HTTP/1.1\r\nHost: localhost@evil.example.com\r\n",
        b"GET /notes/1 HTTP/1.1\r\nHost: evil.example.com:localhost\r\n",
    ],
)
async def test_requests_that_are_none_or_for_another_host_get_nowhere(
    book: Notebook, start: bytes
) -> None:
    answer = await raw(book, start + b"Connection: close\r\n\r\n")
    found = statuses(answer)
    # What may be read so or so meets the same door.
    assert not found or found[0] in {400, 401, 404, 405, 421}, answer[:120]
    assert found != [401] or b"Host: localhost\r\n" in start


PATHS = (
    *("/notes/1", "//notes/1", "/notes//1", "/./notes/1", "/open/../notes/1", "/health/../notes/1"),
    *(
        "/%6eotes/1",
        "/notes%2F1",
        "/health%2F..%2Fnotes%2F1",
        "/notes/1/",
        "/notes/1%00",
        "/Notes/1",
    ),
    *(
        "/notes/1;x=y",
        "/notes/1?x",
        "/%2e%2e/notes/1",
        "/notes/%31",
        "/metrics/../notes/1",
        "/\xff",
    ),
)


@pytest.mark.parametrize("path", PATHS)
async def test_no_spelling_of_a_path_is_a_way_around_its_door(book: Notebook, path: str) -> None:
    written = await book.send("POST", "/notes", BODY)
    assert written.status_code == 201
    for method in ("GET", "HEAD", "POST", "DELETE"):
        answer = await raw(book, f"{method} {path} HTTP/1.1\r\n".encode("latin-1") + LAST + b"\r\n")
        assert statuses(answer)[0] in {400, 401, 404, 405, 415}, (method, answer[:120])
        assert b"bought" not in answer


@pytest.mark.parametrize("path", ["/notes/%31", "/%6eotes/1", "/notes/1?"])
async def test_a_signature_is_of_the_path_as_it_was_sent(book: Notebook, path: str) -> None:
    plain = head(book.signed("GET", "/notes/1"))
    answer = await raw(book, f"GET {path} HTTP/1.1\r\n".encode() + LAST + plain + b"\r\n")
    # A bare question mark asks nothing, so it is the same request.
    assert statuses(answer)[0] == (404 if path.endswith("?") else 401)


@pytest.mark.parametrize(
    "header",
    [
        *("X-HTTP-Method-Override: GET", "X-Original-URL: /health", "X-Rewrite-URL: /health"),
        *("X-Forwarded-Host: evil.example.com", "X-Forwarded-Prefix: /health"),
        *("X-Forwarded-User: ada", "X-Remote-User: ada", "X-User-Id: ada", "Remote-User: ada"),
        *("X_Service_Id: cli", "X-Client-Cert: abc", "X-SSL-Client-Verify: SUCCESS"),
    ],
)
async def test_no_header_but_ours_says_who_asks(book: Notebook, header: str) -> None:
    answer = await raw(book, b"GET /notes/1 HTTP/1.1\r\n" + LAST + header.encode() + b"\r\n\r\n")
    assert (statuses(answer), code(answer)) == ([401], "not_authenticated")


async def test_one_request_on_a_connection_does_not_speak_for_the_next(book: Notebook) -> None:
    await book.send("POST", "/notes", BODY)
    good = signed(book, "GET", "/notes/1", start=HOST) + b"\r\n"
    bare = b"GET /notes/1 HTTP/1.1\r\n" + HOST + b"\r\n"
    assert statuses(await raw(book, good + bare + bare)) == [200, 401, 401]
    assert statuses(
        await raw(book, signed(book, "GET", "/notes/1", start=HOST) + b"\r\n" + good)
    ) == [200, 401]


def chunks(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


async def test_a_body_in_chunks_is_hashed_whole(book: Notebook) -> None:
    start = signed(book, "POST", "/notes", BODY) + CHUNKED
    assert statuses(await raw(book, start + chunks(BODY[:5], BODY[5:9], BODY[9:]))) == [201]
    for other in (BODY[:-1], BODY + b" ", b"", BODY.replace(b"bought", b"sold!!")):
        start = signed(book, "POST", "/notes", BODY) + CHUNKED
        answer = await raw(book, start + chunks(*([other] if other else [])))
        assert (statuses(answer), code(answer)) == ([401], "body_mismatch")
    assert await count(book) == 1


async def test_what_follows_a_body_is_no_header(book: Notebook) -> None:
    # A proxy sets headers before the body and passes on what comes after it.
    late = chunks(BODY)[:-2] + head(book.signed("POST", "/notes", BODY)) + b"\r\n"
    kind = b"Content-Type: application/json\r\n"
    answer = await raw(book, b"POST /notes HTTP/1.1\r\n" + LAST + kind + CHUNKED + late)
    assert (statuses(answer), code(answer)) == ([401], "not_authenticated")
    start = signed(book, "POST", "/notes", BODY) + CHUNKED
    late = chunks(BODY)[:-2] + b"Host: evil.example.com\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n"
    assert statuses(await raw(book, start + late)) == [201]
    huge = b"".join(b"a%d: %s\r\n" % (number, b"b" * 500) for number in range(100))
    start = signed(book, "POST", "/notes", BODY) + CHUNKED
    assert 201 not in statuses(await raw(book, start + chunks(BODY)[:-2] + huge + b"\r\n"))


async def test_a_body_of_a_request_that_has_none_is_hashed_too(book: Notebook) -> None:
    await book.send("POST", "/notes", BODY)
    start = signed(book, "GET", "/notes/1")
    answer = await raw(book, start + b"Content-Length: 2\r\n\r\n{}")
    assert (statuses(answer), code(answer)) == ([401], "body_mismatch")


async def test_a_chunked_body_without_end_is_cut_off(book: Notebook) -> None:
    start = signed(book, "POST", "/notes", BODY, HOST) + CHUNKED
    endless = [b"10000\r\n" + b" " * 65_536 + b"\r\n"] * 40
    answer = await raw(book, start, *endless)
    assert (statuses(answer)[0], code(answer)) == (413, "body_too_large")


async def test_a_body_that_drips_ends_with_the_request(book: Notebook) -> None:
    began = time.monotonic()
    start = signed(book, "POST", "/notes", BODY, HOST) + b"Content-Length: 5000\r\n\r\n"
    answer = await raw(book, start, *[b" "] * 60, pause=0.05)
    assert statuses(answer)[0] == 504
    assert time.monotonic() - began < SECONDS + 15
    assert (await book.http.get("/health")).status_code == 200


@pytest.mark.parametrize(
    "content",
    [
        b'{"text": "x", "copies": ' + b"9" * 6000 + b"}",
        b'{"text": "x", "copies": 1e999}',
        b'{"text": "x", "copies": NaN}',
        b'{"text": "\\ud800"}',
        b'{"text": "\xff\xfe"}',
        b'{"text": "x", "text": ["y"]}',
        b"\x1f\x8b\x08\x00",
        b"[" * 50_000,
    ],
)
async def test_json_that_is_none_is_told_so(book: Notebook, content: bytes) -> None:
    answer = await book.send("POST", "/notes", content)
    assert answer.status_code in {400, 422}, answer.text
    assert await count(book) == 0


async def test_a_compressed_body_is_not_unpacked(book: Notebook) -> None:
    told = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    packed = b"\x1f\x8b\x08\x00" + b"\0" * 40
    shown = book.signed("POST", "/notes", packed) | told
    answer = await book.http.request("POST", "/notes", content=packed, headers=shown)
    assert answer.status_code in {400, 415, 422}


async def test_a_thousand_headers_do_no_harm(book: Notebook) -> None:
    many = b"".join(b"a%d: b\r\n" % number for number in range(1500))
    answer = await raw(book, b"GET /health HTTP/1.1\r\n" + LAST + many + b"\r\n")
    assert statuses(answer) == [200]
    cookies = b"Cookie: " + b"; ".join(b"c%d=d" % number for number in range(2500)) + b"\r\n"
    answer = await raw(book, b"GET /notes/1 HTTP/1.1\r\n" + LAST + cookies + b"\r\n")
    assert statuses(answer) == [401]
    session = signing.SESSION_COOKIE.encode()
    for broken in (b"=x", b'="\\', b"", b"=a; " + session + b"=b", b"=\xff"):
        line = b"Cookie: " + session + broken + b"\r\n"
        answer = await raw(book, b"GET /notes/1 HTTP/1.1\r\n" + LAST + line + b"\r\n")
        assert statuses(answer)[0] in {400, 401, 503}, broken


async def test_a_header_does_not_write_into_the_log_or_the_answer(book: Notebook) -> None:
    line = b"X-Request-Id: a\x0b\x1b[31mroot\r\ntraceparent: \x1b]0;x\x07\r\n"
    answer = await raw(
        book, b"GET /notes/1%0d%0aX-Evil:%20yes HTTP/1.1\r\n" + LAST + line + b"\r\n"
    )
    assert statuses(answer)[0] in {400, 401, 404, 422}
    assert b"\x1b" not in answer
    assert b"X-Evil" not in answer.partition(b"\r\n\r\n")[0]


async def test_metrics_are_not_for_whoever_comes_through_a_proxy_of_ours(book: Notebook) -> None:
    assert (await book.http.get("/metrics")).status_code == 200
    for header in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"):
        answer = await book.http.get("/metrics", headers={header: "203.0.113.7"})
        assert answer.status_code == 401, header

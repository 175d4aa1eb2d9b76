"""How a service says how it is, also while what it depends on is down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.services.notebook import Notebook, a_notebook
from tradewright.adapters.embedded import EmbeddedRedis, embedded_services
from tradewright.adapters.postgres import migrate
from tradewright.wire.health import HealthResponse

KEPT = 1.1


@pytest.fixture
async def book(tmp_path: Path, database_url: str, redis_url: str) -> AsyncIterator[Notebook]:
    async with a_notebook(tmp_path, database_url, redis_url) as running:
        yield running


async def test_a_healthy_service_says_so(book: Notebook) -> None:
    answer = await book.http.get("/health")
    body = HealthResponse.model_validate(answer.json())
    assert (answer.status_code, body.status, body.service) == (200, "healthy", "notebook")
    assert body.timestamp.tzinfo is not None
    assert {"database", "redis", "audit", "disk", "memory", "open_files", "shelf"} <= set(
        body.checks
    )
    assert all(check.status == "healthy" for check in body.checks.values())
    assert body.pools["database"].most == 20
    assert body.executor.most == 16
    assert body.tasks["system"] >= 2
    assert (await book.http.get("/ready")).json()["ready"] is True


async def test_a_critical_check_makes_it_unhealthy_and_unready(book: Notebook) -> None:
    book.shelf.ill = "the shelf is full"
    answer = await book.http.get("/health")
    body = answer.json()
    assert (answer.status_code, body["status"]) == (503, "unhealthy")
    assert body["checks"]["shelf"]["error"] == "the shelf is full"
    ready = await book.http.get("/ready")
    assert (ready.status_code, ready.json()["waiting_for"]) == (503, ["shelf"])
    book.shelf.ill = ""
    await asyncio.sleep(KEPT)
    assert (await book.http.get("/health")).status_code == 200
    assert (await book.http.get("/ready")).status_code == 200


async def test_warnings_of_the_machine_degrade_and_do_not_kill(
    tmp_path: Path, database_url: str, redis_url: str
) -> None:
    given = {
        "MEMORY_WARNING_MB": "1",
        "FREE_DISK_WARNING_MB": "999999999",
        "OPEN_FILES_WARNING": "1",
    }
    async with a_notebook(tmp_path, database_url, redis_url, settings=given) as book:
        answer = await book.http.get("/health")
        assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
        ready = await book.http.get("/ready")
        amiss = {"disk", "memory", "open_files"}
        assert (ready.status_code, set(ready.json()["waiting_for"])) == (503, amiss)


async def test_a_critical_task_that_fails_makes_it_unhealthy(book: Notebook) -> None:
    async def failing() -> None:
        raise ValueError("no good")

    assert book.shelf.resources is not None
    tasks = book.shelf.resources.tasks
    await asyncio.wait([tasks.start("feed", failing(), group="data", critical=True)])
    await asyncio.wait([tasks.start("chore", failing())])
    answer = await book.http.get("/health")
    assert (answer.status_code, answer.json()["status"]) == (503, "unhealthy")
    assert answer.json()["checks"]["critical_tasks"]["error"] == "failed: feed"
    assert answer.json()["checks"]["tasks"]["status"] == "degraded"


async def test_health_answers_while_a_call_blocks_and_another_is_slow(book: Notebook) -> None:
    assert book.shelf.resources is not None
    slow = asyncio.create_task(book.http.get("/slow?seconds=1"))
    await book.shelf.begun.wait()
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert (await book.http.get("/health")).status_code == 200
    assert loop.time() - began < 1
    await slow


async def test_metrics_are_for_those_who_may_see_them(
    tmp_path: Path, database_url: str, redis_url: str
) -> None:
    given = {"METRICS_TRUSTED_IPS": "10.9.9.9"}
    async with a_notebook(tmp_path, database_url, redis_url, settings=given) as book:
        answer = await book.http.get("/metrics")
        assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
        # What a proxy says of its client does not make the client's peer trusted.
        forged = await book.http.get("/metrics", headers={"X-Forwarded-For": "10.9.9.9"})
        assert forged.status_code == 401
        service = await book.send("GET", "/metrics")
        assert (service.status_code, service.json()["code"]) == (403, "not_permitted")


async def test_metrics_tell_of_loop_threads_and_pool(book: Notebook) -> None:
    answer = await book.http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    for name in (
        "asyncio_event_loop_lag_seconds_bucket",
        "executor_queue_depth",
        "executor_active_threads",
        'database_pool_connections{state="idle"}',
        'dependency_up{dependency="redis"}',
        "http_request_duration_seconds_bucket",
        'background_tasks{group="system"}',
    ):
        await book.http.get("/health")
        assert name in (await book.http.get("/metrics")).text


async def test_a_service_starts_without_redis_and_uses_it_once_it_is_there(
    tmp_path: Path, server_ground: Path, database_url: str
) -> None:
    redis = EmbeddedRedis(server_ground / "late-redis")
    url = redis.start()
    redis.stop()
    try:
        async with a_notebook(tmp_path, database_url, url) as book:
            answer = await book.http.get("/health")
            body = answer.json()
            assert (answer.status_code, body["status"]) == (200, "degraded")
            assert body["checks"]["redis"]["error"] == "does not answer"
            assert (await book.http.get("/ready")).status_code == 503
            # Without it nobody knows whether a nonce was used, so nobody is let in.
            refused = await book.send("POST", "/notes", b'{"text":"x"}')
            assert (refused.status_code, refused.json()["code"]) == (503, "state_unknown")
            redis.start()
            await asyncio.sleep(KEPT)
            assert (await book.send("POST", "/notes", b'{"text":"x"}')).status_code == 201
            assert (await book.http.get("/health")).json()["status"] == "healthy"
    finally:
        redis.remove()


async def test_postgres_stopped_and_started_under_load_is_survived(
    tmp_path: Path, server_ground: Path
) -> None:
    with embedded_services(server_ground / "own", keep=False) as own:
        migrate(own.database_url)
        given = {"DATABASE_TIMEOUT_SECONDS": "1"}
        async with a_notebook(tmp_path, own.database_url, own.redis_url, settings=given) as book:
            assert (await book.send("POST", "/notes", b'{"text":"x"}')).status_code == 201
            load = [
                asyncio.create_task(book.send("POST", "/notes", b'{"text":"x"}')) for _ in "1234"
            ]
            await asyncio.to_thread(own.postgres.stop)
            statuses = {(await one).status_code for one in load}
            assert statuses <= {201, 503}
            answer = await book.http.get("/health")
            while answer.json()["status"] == "healthy":
                await asyncio.sleep(KEPT)
                answer = await book.http.get("/health")
            assert (answer.status_code, answer.json()["status"]) == (503, "unhealthy")
            await asyncio.to_thread(own.postgres.start)
            for _ in range(60):
                await asyncio.sleep(KEPT)
                if (await book.http.get("/health")).status_code == 200:
                    break
            assert (await book.send("POST", "/notes", b'{"text":"x"}')).status_code == 201

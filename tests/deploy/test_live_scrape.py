"""A real Prometheus with our configuration, beside a service that runs and then is gone."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.deploy.stack import PROMETHEUS, alerts, program
from tests.services.notebook import a_notebook

SECONDS = 120.0


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def configured(folder: Path, target: str, service: str) -> Path:
    """Our configuration in a folder, quicker, and with this one target."""
    shutil.copytree(PROMETHEUS, folder)
    (folder / "targets" / "services.yml").write_text(
        f'- targets: ["{target}"]\n  labels: {{service: {service}}}\n'
    )
    config = folder / "prometheus.yml"
    quick = config.read_text().replace("15s", "2s").replace("10s", "2s")
    config.write_text(quick)
    return config


@asynccontextmanager
async def prometheus(config: Path) -> AsyncIterator[httpx.AsyncClient]:
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        program("prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={config.parent / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}/api/v1", trust_env=False
        ) as client:
            yield client
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), 20)


async def eventually(look: Callable[[], Awaitable[Any]]) -> Any:
    """What a look finds, once it finds something."""
    async with asyncio.timeout(SECONDS):
        while True:
            try:
                if found := await look():
                    return found
            except httpx.HTTPError:
                # It is still starting.
                found = None
            await asyncio.sleep(0.2)


async def test_metrics_of_a_service_are_read_and_its_end_is_told(
    tmp_path: Path, database_url: str, redis_url: str
) -> None:
    async with a_notebook(tmp_path, database_url, redis_url) as book:
        config = configured(
            tmp_path / "deploy", book.server.url.removeprefix("http://"), "notebook"
        )
        async with prometheus(config) as asked:

            async def query(text: str) -> list[dict[str, Any]]:
                answer = await asked.get("/query", params={"query": text})
                return list(answer.raise_for_status().json()["data"]["result"])

            async def told() -> dict[str, str]:
                found = (await asked.get("/alerts")).raise_for_status().json()["data"]["alerts"]
                return {one["labels"]["alertname"]: one["state"] for one in found}

            (up,) = await eventually(lambda: query('up{job="tradewright"} == 1'))
            assert up["metric"]["service"] == "notebook"
            await eventually(lambda: query('dependency_up{dependency="database"} == 1'))
            for metric in ("executor_max_workers", "database_pool_limit", "clock_skew_seconds"):
                (found,) = await eventually(lambda metric=metric: query(metric))  # type: ignore[misc]
                assert found["metric"]["service"] == "notebook"

            async def judged() -> list[dict[str, Any]]:
                answer = await asked.get("/rules")
                groups = answer.raise_for_status().json()["data"]["groups"]
                rules = [rule for group in groups for rule in group["rules"]]
                return rules if all(rule["health"] != "unknown" for rule in rules) else []

            rules = await eventually(judged)
            assert len(rules) == len(alerts())
            assert [rule["lastError"] for rule in rules if rule["health"] != "ok"] == []
            assert (await told()).get("ServiceDown") != "firing"
            book.server.stop()

            async def is_told() -> bool:
                return "ServiceDown" in await told()

            await eventually(is_told)

"""Every service held against its own OpenAPI document, by requests with valid credentials.

Requests that the document allows and requests that it forbids: none may be answered with a 500,
each answer must have a status, a form and a content type that the document gives it, and every
header that a browser is to be told must be there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import requests
import schemathesis
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.services.logins import Stage, auth_stage
from tradewright.core.access import Role, UserSession
from tradewright.services.catalog import CATALOG

EXAMPLES: Final = 15
HOST: Final = "https://testserver"
CHECKS: Final = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)
TOLD: Final = {
    "cache-control",
    "content-security-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "permissions-policy",
    "referrer-policy",
    "strict-transport-security",
    "x-content-type-options",
    "x-frame-options",
    "x-request-id",
    "x-trace-id",
}
REFUSED: Final = {400, 401, 403, 404, 405, 409, 413, 415, 422, 429}


class Asking:
    """Asks a service that lives in another thread, as an admin with a fresh login each time."""

    def __init__(self, portal: BlockingPortal, stage: Stage) -> None:
        self.portal = portal
        self.stage = stage
        self.admin = portal.call(stage.add_user, "ada", Role.ADMIN)
        self.document: dict[str, Any] = stage.app.openapi()

    async def _token(self) -> str:
        resources = self.stage.resources
        now = self.stage.clock.now()
        session = UserSession(
            id=resources.ids(),
            user=self.admin.id,
            roles=self.admin.roles,
            strategies=None,
            started=now,
            expires=now.replace(hour=23),
            csrf="c" * 32,
            refresh=resources.ids(),
        )
        await resources.sessions.put(session)
        # What the requests before have changed of the account is undone.
        held = await resources.users.get(self.admin.id)
        assert held is not None
        await resources.users.put(self.admin, held.version)
        return resources.signer.issue(session)

    async def _sent(self, request: requests.PreparedRequest) -> httpx.Response:
        headers = {**request.headers, "Authorization": f"Bearer {await self._token()}"}
        body = request.body.encode() if isinstance(request.body, str) else request.body
        transport = httpx.ASGITransport(self.stage.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=HOST) as client:
            return await client.request(
                str(request.method), str(request.url), content=body, headers=headers
            )

    def answer(self, case: Any) -> Response:
        """Send the request of a case."""
        prepared = requests.Request(**case.as_transport_kwargs(base_url=HOST)).prepare()
        return Response.from_httpx(self.portal.call(self._sent, prepared), verify=False)


@contextmanager
def asking(make: Callable[[], Any]) -> Iterator[Asking]:
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(make()) as stage,
    ):
        yield Asking(portal, stage)


@pytest.fixture(params=sorted(CATALOG))
def service(
    database_url: str, redis_url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Asking]:
    def stage() -> Any:
        return auth_stage(
            database_url, redis_url, tmp_path, service=request.param, RATE_LIMIT_MODE="log_only"
        )

    with asking(stage) as served:
        yield served


def check(case: Any, answer: Response) -> None:
    """Hold an answer to the document."""
    case.validate_response(answer, checks=list(CHECKS))
    assert set(answer.headers) >= TOLD, TOLD - set(answer.headers)
    if answer.status_code >= 300:
        assert answer.status_code in REFUSED | {303, 503}


def forbids(described: Mapping[str, Any]) -> bool:
    """Whether the document says anything of a request that one could fail to be."""
    content = described.get("requestBody", {}).get("content", {})
    return bool(described.get("parameters")) or any(one["schema"] for one in content.values())


def ask_all(service: Asking, mode: GenerationMode) -> set[int]:
    """Ask every operation; return the statuses that were seen."""
    seen: set[int] = set()
    loaded = schemathesis.openapi.from_dict(service.document)
    for result in loaded.get_all_operations():
        assert isinstance(result, Ok), result
        operation = result.ok()
        described = service.document["paths"][operation.path][operation.method.lower()]
        if mode is GenerationMode.NEGATIVE and not forbids(described):
            continue

        @settings(
            max_examples=EXAMPLES,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def send(case: Any) -> None:
            answer = service.answer(case)
            seen.add(answer.status_code)
            check(case, answer)

        send()
    return seen


def test_requests_that_are_allowed_are_answered_as_documented(service: Asking) -> None:
    seen = ask_all(service, GenerationMode.POSITIVE)
    assert any(status < 300 for status in seen)


def test_requests_that_are_forbidden_are_answered_as_documented(service: Asking) -> None:
    seen = ask_all(service, GenerationMode.NEGATIVE)
    assert 422 in seen


def test_the_check_can_fail(service: Asking) -> None:
    service.document["paths"]["/health"]["get"]["responses"]["200"]["content"] = {
        "application/json": {"schema": {"type": "integer"}}
    }
    loaded = schemathesis.openapi.from_dict(service.document)
    case = loaded["/health"]["GET"].Case()
    with pytest.raises(FailureGroup, match="is not of type"):
        check(case, service.answer(case))

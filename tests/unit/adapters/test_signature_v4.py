"""Signatures to AWS: the published vectors of its test suite, and requests that botocore signed.

The vectors are those of the "Signature Version 4 test suite", as the AWS SDK for JavaScript
(smithy, `signature-v4/src/suite.fixture.ts`, Apache 2.0) keeps them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from tradewright.adapters.memory import MemorySecretStore
from tradewright.adapters.secrets.aws import AwsPlace, AwsReader
from tradewright.adapters.secrets.signature_v4 import Message, Scope, authorization
from tradewright.core.clock import ManualClock

SCOPE = Scope(datetime(2015, 8, 30, 12, 36, tzinfo=UTC), "us-east-1", "service")
KEY_ID, KEY = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
UNRESERVED = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SESSION = (
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfI"
    "eoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0"
    "wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDry"
    "pNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
)
NONE: Mapping[str, str] = {}


def message(
    method: str, path: str = "/", query: Mapping[str, str] = NONE, body: bytes = b"", **more: str
) -> Message:
    headers = {"host": "example.amazonaws.com", "x-amz-date": SCOPE.stamp}
    headers |= {name.replace("_", "-"): value for name, value in more.items()}
    return Message(method, path, query, headers, body)


VECTORS = {
    "get-header-key-duplicate": (
        message("GET", my_header1="value2,value2,value1"),
        "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
    ),
    "get-header-value-trim": (
        message("GET", my_header1="value1", my_header2='"a   b   c"'),
        "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
    ),
    "get-unreserved": (
        message("GET", f"/{UNRESERVED}"),
        "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
    ),
    "get-utf8": (
        message("GET", "/\u1234"),
        "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
    ),
    "get-vanilla": (
        message("GET"),
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    ),
    "get-vanilla-query-order-key-case": (
        message("GET", query={"Param2": "value2", "Param1": "value1"}),
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ),
    "get-vanilla-query-unreserved": (
        message("GET", query={UNRESERVED: UNRESERVED}),
        "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
    ),
    "get-vanilla-utf8-query": (
        message("GET", query={"\u1234": "bar"}),
        "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
    ),
    "post-header-key-sort": (
        message("POST", my_header1="value1"),
        "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
    ),
    "post-sts-header-before": (
        message("POST", x_amz_security_token=SESSION),
        "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
    ),
    "post-vanilla": (
        message("POST"),
        "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    ),
    "post-vanilla-query-nonunreserved": (
        message("POST", query={"@#$%^": "", "+": '/,?><`";:\\|][{}'}),
        "66c82657c86e26fb25238d0e69f011edc4c6df5ae71119d7cb98ed9b87393c1e",
    ),
    "post-vanilla-query-space": (
        message("POST", query={"p": ""}),
        "e71688addb58a26418614085fb730ba3faa623b461c17f48f2fbdb9361b94a9b",
    ),
    "post-x-www-form-urlencoded": (
        message("POST", body=b"Param1=value1", content_type="application/x-www-form-urlencoded"),
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
    ),
}


@pytest.mark.parametrize("name", VECTORS)
def test_vector_of_the_suite(name: str) -> None:
    asked, signature = VECTORS[name]
    names = ";".join(sorted(asked.headers))
    assert authorization(asked, SCOPE, KEY_ID, KEY) == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders={names}, Signature={signature}"
    )


@pytest.mark.parametrize(
    "change", ["method", "path", "query", "header", "body", "key", "region", "moment"]
)
def test_every_fact_is_signed(change: str) -> None:
    asked, scope, key = message("POST"), SCOPE, KEY
    match change:
        case "method":
            asked = message("GET")
        case "path":
            asked = message("POST", "/x")
        case "query":
            asked = message("POST", query={"a": "b"})
        case "header":
            asked = message("POST", a="b")
        case "body":
            asked = message("POST", body=b"{}")
        case "key":
            key = "another"
        case "region":
            scope = Scope(SCOPE.at, "eu-west-1", "service")
        case _:
            scope = Scope(datetime(2015, 8, 30, 12, 37, tzinfo=UTC), "us-east-1", "service")
    first = authorization(message("POST"), SCOPE, KEY_ID, KEY).rpartition("=")[2]
    assert authorization(asked, scope, KEY_ID, key).rpartition("=")[2] != first


# Made with botocore 1.44.5 (SigV4Auth), for this body, moment, region and these keys.
BOTOCORE = {
    None: "ea571f85a6e5c37e7ecdf9c03d68374087e65bafaaccb6e428c762b559cb07ef",
    "AQoDYXdzEXAMPLE==": "7c7f42927c7ad8c26e30cd12092ffaf730ec2065b7d111a398496f99bc436bd9",
}


@pytest.mark.parametrize("session", BOTOCORE)
def test_what_is_asked_is_signed_as_botocore_signs_it(session: str | None) -> None:
    keys = {
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    }
    if session is not None:
        keys["AWS_SESSION_TOKEN"] = session
    clock = ManualClock(datetime(2026, 3, 4, 14, 30, tzinfo=UTC))
    place = AwsPlace("eu-central-1", "tradewright")
    reader = AwsReader(place, MemorySecretStore(keys), clock, seconds=1)
    headers = reader._signed(b'{"SecretId": "tradewright"}')
    assert headers["host"] == "secretsmanager.eu-central-1.amazonaws.com"
    assert headers["authorization"].rpartition("=")[2] == BOTOCORE[session]

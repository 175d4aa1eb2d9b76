"""Secrets of Vault and AWS: how long they are used, what is refused, and what errors never say."""

from __future__ import annotations

import json
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.contracts.secret_servers import (
    ROLE_ID,
    SECRET_ID,
    TOKEN,
    Aws,
    Keeper,
    Vault,
    serving,
    until,
)
from tradewright.adapters.memory import MemorySecretStore
from tradewright.adapters.secrets.aws import AwsPlace, AwsReader
from tradewright.adapters.secrets.remote import LARGEST_BYTES, RemoteSecretStore
from tradewright.adapters.secrets.vault import VaultPlace, VaultReader
from tradewright.core.clock import ManualClock, SystemClock
from tradewright.core.errors import ConfigError

NAME, HIDDEN = "JWT_SIGNING_KEY", "pLanted-remote-secret"
AWS_KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
CLOSED = "http://127.0.0.1:9"


@pytest.fixture
def vault() -> Iterator[Vault]:
    server = Vault({NAME: HIDDEN})
    with serving(server):
        yield server


@pytest.fixture
def aws() -> Iterator[Aws]:
    server = Aws({NAME: HIDDEN})
    with serving(server):
        yield server


def of_vault(
    url: str, *, seconds: float = 5.0, role: str | None = None, secret: str = SECRET_ID
) -> VaultReader:
    opener = MemorySecretStore({"VAULT_TOKEN": TOKEN, "VAULT_SECRET_ID": secret})
    place = VaultPlace(url, "tradewright", role=role)
    return VaultReader(place, opener, SystemClock().monotonic, seconds=seconds)


def of_aws(url: str, *, seconds: float = 5.0, name: str = "tradewright") -> AwsReader:
    keys = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": AWS_KEY}
    place = AwsPlace("us-west-2", name, url)
    return AwsReader(place, MemorySecretStore(keys), SystemClock(), seconds=seconds)


READERS: Mapping[str, Callable[..., VaultReader | AwsReader]] = {"vault": of_vault, "aws": of_aws}


@pytest.fixture(params=READERS)
def kept(request: pytest.FixtureRequest, vault: Vault, aws: Aws) -> tuple[str, Keeper]:
    return request.param, {"vault": vault, "aws": aws}[request.param]


def says(error: ConfigError) -> str:
    """All that is shown of an error, its causes too."""
    return "".join(traceback.format_exception(error))


def hides(error: ConfigError) -> bool:
    return not any(secret in says(error) for secret in (HIDDEN, TOKEN, SECRET_ID, AWS_KEY))


class Source:
    """Secrets that change, and a server that fails when it is told to."""

    def __init__(self) -> None:
        self.values = {NAME: "first"}
        self.fails = False
        self.reads = 0
        self.threads: list[str] = []

    def __call__(self) -> Mapping[str, str]:
        self.threads.append(threading.current_thread().name)
        self.reads += 1
        if self.fails:
            raise ConfigError("the server is down", "bring it back")
        return dict(self.values)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 3, 4, tzinfo=UTC))


def store_of(source: Source, clock: ManualClock) -> RemoteSecretStore:
    return RemoteSecretStore(source, "the tests", clock.monotonic, kept_seconds=60)


def test_what_is_fresh_is_not_asked_for_again(clock: ManualClock) -> None:
    source = Source()
    store = store_of(source, clock)
    assert [store.get(NAME) for _ in range(3)] == ["first"] * 3
    clock.advance(timedelta(seconds=29))
    assert (store.get(NAME), store.names(), source.reads) == ("first", [NAME], 1)


def test_a_rotated_secret_is_read_apart_and_nobody_waits(clock: ManualClock) -> None:
    source = Source()
    store = store_of(source, clock)
    store.get(NAME)
    source.values[NAME] = "second"
    clock.advance(timedelta(seconds=31))
    assert store.get(NAME) in {"first", "second"}
    assert until(lambda: store.get(NAME) == "second")
    assert source.threads == [threading.current_thread().name, "secrets"]


def test_after_a_long_rest_who_asks_waits_for_what_is_true(clock: ManualClock) -> None:
    source = Source()
    store = store_of(source, clock)
    store.get(NAME)
    source.values[NAME] = "second"
    clock.advance(timedelta(hours=1))
    assert store.get(NAME) == "second"


def test_an_outage_is_borne_until_what_is_held_is_too_old(clock: ManualClock) -> None:
    source = Source()
    store = store_of(source, clock)
    store.get(NAME)
    source.fails = True
    for _ in range(5):
        clock.advance(timedelta(seconds=11))
        assert store.get(NAME) == "first"
    until(lambda: source.reads > 1)
    clock.advance(timedelta(seconds=6))
    for ask in (lambda: store.get(NAME), store.names, lambda: store.find(NAME), store.refresh):
        with pytest.raises(ConfigError, match="the server is down; bring it back"):
            ask()
    source.fails, source.values[NAME] = False, "second"
    clock.advance(timedelta(seconds=2))

    def back() -> bool:
        try:
            return store.get(NAME) == "second"
        except ConfigError:
            return False

    assert until(back)


def test_who_asks_during_an_outage_does_not_wait_for_it(clock: ManualClock) -> None:
    source = Source()
    source.fails = True
    store = store_of(source, clock)
    for _ in range(50):
        with pytest.raises(ConfigError):
            store.get(NAME)
    assert source.reads == 1
    clock.advance(timedelta(seconds=2))
    with pytest.raises(ConfigError):
        store.get(NAME)
    assert until(lambda: source.reads == 2)
    assert source.threads[1] == "secrets"


def test_many_who_ask_first_are_one_question(clock: ManualClock) -> None:
    source = Source()
    store = store_of(source, clock)
    got: list[str] = []
    threads = [threading.Thread(target=lambda: got.append(store.get(NAME))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (got, source.reads) == (["first"] * 20, 1)


def test_a_secret_that_is_taken_away_is_gone(clock: ManualClock) -> None:
    source = Source()
    store = store_of(source, clock)
    store.get(NAME)
    source.values.clear()
    store.refresh()
    with pytest.raises(ConfigError, match=f"{NAME} is missing or empty in the tests"):
        store.get(NAME)


def test_vault_is_asked_as_its_api_says(vault: Vault) -> None:
    vault.namespace = "desk"
    opener = MemorySecretStore({"VAULT_TOKEN": TOKEN})
    place = VaultPlace(vault.url, "tradewright", namespace="desk")
    read = VaultReader(place, opener, SystemClock().monotonic, seconds=5)
    assert read() == {NAME: HIDDEN}
    (asked,) = vault.asked
    assert (asked.method, asked.path) == ("GET", "/v1/secret/data/tradewright")
    assert asked.headers["X-Vault-Token"] == TOKEN
    assert asked.headers["X-Vault-Request"] == "true"


def test_an_approle_logs_in_once_and_again_when_its_token_ends(vault: Vault) -> None:
    clock = ManualClock(datetime(2026, 3, 4, tzinfo=UTC))
    opener = MemorySecretStore({"VAULT_SECRET_ID": SECRET_ID})
    place = VaultPlace(vault.url, "tradewright", role=ROLE_ID)
    # Answers take no time by a clock that stands still.
    read = VaultReader(place, opener, clock.monotonic, seconds=5)
    assert read() == read() == {NAME: HIDDEN}
    assert vault.logins == 1
    clock.advance(timedelta(seconds=vault.lease * 0.9))
    assert read() == {NAME: HIDDEN}
    assert vault.logins == 2
    vault.tokens.clear()
    assert read() == {NAME: HIDDEN}
    assert vault.logins == 3, "a token that was revoked is fetched anew at once"
    opener.values["VAULT_SECRET_ID"] = "another"
    vault.tokens.clear()
    with pytest.raises(ConfigError, match=r"AppRole login .* 400 .* VAULT_SECRET_ID") as refused:
        read()
    assert hides(refused.value)


def test_what_vault_refuses_names_the_setting(vault: Vault) -> None:
    vault.tokens.clear()
    with pytest.raises(ConfigError, match="403 Forbidden; give its token or role") as refused:
        of_vault(vault.url)()
    assert hides(refused.value)
    vault.tokens.add(TOKEN)
    vault.deleted = True
    with pytest.raises(ConfigError, match="404 Not Found; look at VAULT_MOUNT and VAULT_PATH"):
        of_vault(vault.url)()
    vault.deleted, vault.fails = False, (503, b'{"errors": ["Vault is sealed"]}')
    with pytest.raises(ConfigError, match="unseal Vault"):
        of_vault(vault.url)()
    # A status of Vault's own: a standby that only follows.
    vault.fails = (473, b"")
    with pytest.raises(ConfigError, match="was refused: 473; look at Vault's own log"):
        of_vault(vault.url)()
    vault.fails = (200, b'{"auth": null}')
    with pytest.raises(ConfigError, match="gave no token for the role"):
        of_vault(vault.url, role=ROLE_ID)()
    # What version 1 of the engine answers.
    vault.fails = (200, json.dumps({"data": {NAME: HIDDEN}}).encode())
    with pytest.raises(ConfigError, match="no secret of a KV engine of version 2") as refused:
        of_vault(vault.url)()
    assert hides(refused.value)
    with pytest.raises(ConfigError, match="VAULT_TOKEN is missing"):
        VaultReader(VaultPlace(vault.url, "x"), MemorySecretStore(), lambda: 0.0, seconds=1)()


def test_what_aws_refuses_names_the_setting(aws: Aws) -> None:
    with pytest.raises(ConfigError, match="ResourceNotFoundException; look at AWS_SECRETS_NAME"):
        of_aws(aws.url, name="another")()
    aws.key_id = "AKIAANOTHER"
    with pytest.raises(ConfigError, match="AWS_ACCESS_KEY_ID") as refused:
        of_aws(aws.url)()
    assert hides(refused.value)
    place = AwsPlace("us-west-2", "x", aws.url)
    with pytest.raises(ConfigError, match="AWS_ACCESS_KEY_ID is missing"):
        AwsReader(place, MemorySecretStore(), SystemClock(), seconds=1)()


@pytest.mark.parametrize("text", ["", "no JSON " + HIDDEN, '["' + HIDDEN + '"]', "[" * 5000])
def test_a_document_of_aws_that_is_none_is_not_repeated(aws: Aws, text: str) -> None:
    aws.text = text
    with pytest.raises(ConfigError, match="holds no names with values") as refused:
        of_aws(aws.url)()
    assert hides(refused.value)


@pytest.mark.parametrize("value", [7, None, [HIDDEN], {"a": HIDDEN}])
def test_a_secret_is_text(kept: tuple[str, Keeper], value: object) -> None:
    which, server = kept
    server.values = {NAME: value, "not a name": 7}
    with pytest.raises(ConfigError, match=f"{NAME} of .* is no text") as refused:
        READERS[which](server.url)()
    assert hides(refused.value)


def test_names_that_are_none_of_ours_are_left_out(kept: tuple[str, Keeper]) -> None:
    which, server = kept
    server.values = {NAME: HIDDEN, "lower": "x", "../UP": "x"}
    assert READERS[which](server.url)() == {NAME: HIDDEN}


def test_a_server_that_is_not_there(kept: tuple[str, Keeper]) -> None:
    with pytest.raises(ConfigError, match="cannot be read: there was no answer") as refused:
        READERS[kept[0]](CLOSED)()
    assert hides(refused.value)


def test_a_server_that_says_nothing_is_not_waited_for(kept: tuple[str, Keeper]) -> None:
    which, server = kept
    server.waits = threading.Event()
    began = SystemClock().monotonic()
    with pytest.raises(ConfigError, match=r"no answer in 0.3 s") as refused:
        READERS[which](server.url, seconds=0.3)()
    assert SystemClock().monotonic() - began < 3
    assert hides(refused.value)


def test_a_server_that_drips_is_not_waited_for(kept: tuple[str, Keeper]) -> None:
    which, server = kept
    server.drips = True
    began = SystemClock().monotonic()
    with pytest.raises(ConfigError, match=r"took longer than 0.5 s"):
        READERS[which](server.url, seconds=0.5)()
    assert SystemClock().monotonic() - began < 3


def test_an_answer_without_end_is_cut_off(kept: tuple[str, Keeper]) -> None:
    which, server = kept
    server.fails = (200, b" " * (LARGEST_BYTES + 1))
    with pytest.raises(ConfigError, match=f"more than {LARGEST_BYTES} bytes"):
        READERS[which](server.url)()


def test_a_credential_does_not_follow_where_an_answer_leads(kept: tuple[str, Keeper]) -> None:
    which, server = kept
    server.fails = (307, b"")
    with pytest.raises(ConfigError, match="was refused: 307"):
        READERS[which](server.url)()
    assert [asked.path for asked in server.asked if "elsewhere" in asked.path] == []


def test_what_no_header_can_hold_is_not_repeated(vault: Vault) -> None:
    opener = MemorySecretStore({"VAULT_TOKEN": f"{HIDDEN}-\u1234"})
    place = VaultPlace(vault.url, "tradewright")
    with pytest.raises(ConfigError) as refused:
        VaultReader(place, opener, SystemClock().monotonic, seconds=5)()
    assert hides(refused.value)


def test_what_no_header_of_aws_can_hold_is_not_repeated(aws: Aws) -> None:
    keys = {"AWS_ACCESS_KEY_ID": f"{HIDDEN}-\u1234", "AWS_SECRET_ACCESS_KEY": AWS_KEY}
    place = AwsPlace("us-west-2", "tradewright", aws.url)
    with pytest.raises(ConfigError, match="holds characters that none has") as refused:
        AwsReader(place, MemorySecretStore(keys), SystemClock(), seconds=5)()
    assert hides(refused.value)


def test_an_authority_that_is_none_is_named(vault: Vault, tmp_path: Path) -> None:
    place = VaultPlace(vault.url, "tradewright", authority=tmp_path / "nothing.pem")
    opener = MemorySecretStore({"VAULT_TOKEN": TOKEN})
    with pytest.raises(ConfigError, match=r"nothing.pem is no authority"):
        VaultReader(place, opener, SystemClock().monotonic, seconds=5)()


def test_places_of_aws() -> None:
    assert AwsPlace("eu-west-1", "x").url == "https://secretsmanager.eu-west-1.amazonaws.com"
    assert AwsPlace("cn-north-1", "x").url == "https://secretsmanager.cn-north-1.amazonaws.com.cn"
    assert AwsPlace("eu-west-1", "x", "https://vpce.example.com").url == "https://vpce.example.com"

"""The promise of SecretStore, kept by memory, environment, folder, layers, Vault and AWS."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.contracts.secret_servers import TOKEN, Aws, Vault, serving
from tradewright.adapters.memory import MemorySecretStore
from tradewright.adapters.secrets import (
    EnvironmentSecretStore,
    FolderSecretStore,
    LayeredSecretStore,
    problems,
)
from tradewright.adapters.secrets.aws import AwsPlace, AwsReader
from tradewright.adapters.secrets.remote import RemoteSecretStore
from tradewright.adapters.secrets.vault import VaultPlace, VaultReader
from tradewright.core.clock import SystemClock
from tradewright.core.errors import ConfigError
from tradewright.ports import SecretStore

NAME = "INTERNAL_TOKEN_SECRET_SIGNAL"
OTHER = "JWT_SIGNING_KEY"
HIDDEN = "0123456789abcdef-hidden"
Make = Callable[[Mapping[str, str]], SecretStore]


def fill(folder: Path, values: Mapping[str, str]) -> Path:
    folder.mkdir(mode=0o700, exist_ok=True)
    for name, value in values.items():
        (folder / name).write_text(value, encoding="utf-8")
        (folder / name).chmod(0o600)
    return folder


def vault(opened: ExitStack, values: Mapping[str, str]) -> RemoteSecretStore:
    server = Vault(dict(values))
    opened.enter_context(serving(server))
    place, opener = VaultPlace(server.url, "tradewright"), MemorySecretStore({"VAULT_TOKEN": TOKEN})
    read = VaultReader(place, opener, SystemClock().monotonic, seconds=5)
    return RemoteSecretStore(read, str(place), SystemClock().monotonic, kept_seconds=60)


def aws(opened: ExitStack, values: Mapping[str, str]) -> RemoteSecretStore:
    server = Aws(dict(values))
    opened.enter_context(serving(server))
    place = AwsPlace("us-west-2", "tradewright", server.url)
    keys = {"AWS_ACCESS_KEY_ID": server.key_id, "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI"}
    read = AwsReader(place, MemorySecretStore(keys), SystemClock(), seconds=5)
    return RemoteSecretStore(read, str(place), SystemClock().monotonic, kept_seconds=60)


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture(params=["memory", "environment", "folder", "layered", "vault", "aws"])
def make(request: pytest.FixtureRequest, tmp_path: Path, opened: ExitStack) -> Make:
    kinds: dict[str, Make] = {
        "memory": MemorySecretStore,
        "environment": lambda values: EnvironmentSecretStore(dict(values)),
        "folder": lambda values: FolderSecretStore(fill(tmp_path / "secrets", values)),
        "layered": lambda values: LayeredSecretStore(
            [EnvironmentSecretStore({}), FolderSecretStore(fill(tmp_path / "secrets", values))]
        ),
        "vault": lambda values: vault(opened, values),
        "aws": lambda values: aws(opened, values),
    }
    return kinds[request.param]


def test_what_is_there_is_read_without_its_line_end(make: Make) -> None:
    assert make({NAME: f"{HIDDEN}\n"}).get(NAME) == HIDDEN


@pytest.mark.parametrize("values", [{}, {NAME: ""}, {NAME: " \n"}])
def test_missing_or_empty_is_an_error_that_names_it(make: Make, values: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=NAME):
        make(values).get(NAME)


def test_names_are_told_and_values_are_not(make: Make) -> None:
    store = make({NAME: HIDDEN, OTHER: HIDDEN})
    assert list(store.names()) == sorted([NAME, OTHER])
    assert HIDDEN not in repr(store) + str(vars(store).keys())


def test_refresh_keeps_what_is_good(make: Make) -> None:
    store = make({NAME: HIDDEN})
    store.refresh()
    assert store.get(NAME) == HIDDEN


def test_every_missing_secret_is_told_at_once(make: Make) -> None:
    told = problems(make({OTHER: "changeme"}), [NAME, OTHER, "ANOTHER_SECRET"])
    assert len(told) == 3
    for name in (NAME, OTHER, "ANOTHER_SECRET"):
        assert any(name in sentence for sentence in told)


def test_a_rotated_file_is_read_at_once(tmp_path: Path) -> None:
    store = FolderSecretStore(fill(tmp_path / "secrets", {NAME: HIDDEN}))
    assert store.get(NAME) == HIDDEN
    fill(tmp_path / "secrets", {NAME: "another"})
    assert store.get(NAME) == "another"


def test_a_rotated_variable_is_read_at_once() -> None:
    environ = {NAME: HIDDEN}
    store = EnvironmentSecretStore(environ)
    environ[NAME] = "another"
    assert store.get(NAME) == "another"


def test_the_first_layer_that_has_it_wins(tmp_path: Path) -> None:
    folder = FolderSecretStore(fill(tmp_path / "secrets", {NAME: "file", OTHER: "file"}))
    store = LayeredSecretStore([EnvironmentSecretStore({NAME: "variable"}), folder])
    assert (store.get(NAME), store.get(OTHER)) == ("variable", "file")


@pytest.mark.parametrize("mode", [0o604, 0o620, 0o602, 0o666])
def test_a_file_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    folder = fill(tmp_path / "secrets", {NAME: HIDDEN})
    (folder / NAME).chmod(mode)
    store = LayeredSecretStore([EnvironmentSecretStore({}), FolderSecretStore(folder)])
    with pytest.raises(ConfigError, match="is open to others") as refused:
        store.get(NAME)
    assert HIDDEN not in str(refused.value)
    with pytest.raises(ConfigError, match="is open to others"):
        store.refresh()


def test_a_group_may_read(tmp_path: Path) -> None:
    folder = fill(tmp_path / "secrets", {NAME: HIDDEN})
    (folder / NAME).chmod(0o440)
    assert FolderSecretStore(folder).get(NAME) == HIDDEN


@pytest.mark.parametrize("name", ["../etc/passwd", "lower", "", "A/B", "A.B", "A" * 129])
def test_a_name_cannot_lead_elsewhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="is no name of a secret"):
        FolderSecretStore(tmp_path).get(name)


def test_what_is_no_small_text_file_is_refused(tmp_path: Path) -> None:
    folder = fill(tmp_path / "secrets", {"LARGE": "x" * 70_000})
    (folder / "BYTES").write_bytes(b"\xff\xfe\x00hidden")
    (folder / "BYTES").chmod(0o600)
    (folder / "FOLDER").mkdir(mode=0o700)
    store = FolderSecretStore(folder)
    for name, words in (("LARGE", "larger"), ("BYTES", "not UTF-8"), ("FOLDER", "not a file")):
        with pytest.raises(ConfigError, match=words) as refused:
            store.get(name)
        assert "hidden" not in str(refused.value)
        assert refused.value.__cause__ is None


def test_the_environment_tells_of_secrets_alone() -> None:
    store = EnvironmentSecretStore({"PATH": "/bin", NAME: HIDDEN, "LANG": "C", "X_TOKEN": " "})
    assert list(store.names()) == [NAME]

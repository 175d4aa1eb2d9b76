"""Secrets of this machine: in the environment, in a folder of files, or in several such places.

A secret is read each time it is asked for, so a rotated one is good at once. A folder is how
Vault's agent, the drivers of the clouds' secret stores, systemd and Docker hand secrets over: one
file a secret, named like it, which no other account may write or, save by its group, read.
"""

from __future__ import annotations

import os
import re
import stat
from typing import TYPE_CHECKING, Final, Protocol

from tradewright.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tradewright.ports import SecretStore

_NAME: Final = re.compile(r"[A-Z][A-Z0-9_]{0,127}")
_OTHERS: Final = stat.S_IRWXO | stat.S_IWGRP
_LARGEST_BYTES: Final = 65_536
_SECRET_WORDS: Final = ("_SECRET", "_KEY", "_KEYS", "_PASSWORD", "_TOKEN", "_URL", "SECRET_")
PLACEHOLDERS: Final = frozenset(
    {"replace_me", "your_api_key", "todo", "changeme", "default", "placeholder", "example"}
    | {"test_key"}
)


class _Place(Protocol):
    def find(self, name: str) -> str: ...

    def names(self) -> Sequence[str]: ...

    def refresh(self) -> None: ...


class EnvironmentSecretStore:
    """Secrets as environment variables."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        """Read the process's environment, or `environ`, at each call."""
        self._environ = os.environ if environ is None else environ

    def get(self, name: str) -> str:
        """Read a secret; raise ConfigError, naming it, when it is missing or empty."""
        return whole(name, self.find(name), "the environment")

    def find(self, name: str) -> str:
        """Read a secret; empty when it is missing."""
        return self._environ.get(name, "").strip()

    def names(self) -> Sequence[str]:
        """List the variables that look like secrets."""
        return sorted(
            name
            for name, value in self._environ.items()
            if value.strip() and is_name(name) and any(word in name for word in _SECRET_WORDS)
        )

    def refresh(self) -> None:
        """Nothing is remembered, so there is nothing to forget."""


class FolderSecretStore:
    """Secrets as files of a folder, named like them."""

    def __init__(self, folder: Path) -> None:
        """Read files of `folder` at each call."""
        self._folder = folder

    def get(self, name: str) -> str:
        """Read a secret.

        Raises:
            ConfigError: It is missing, empty, too large, not text, or open to others.
        """
        return whole(name, self.find(name), str(self._folder))

    def find(self, name: str) -> str:
        """Read a secret; empty when there is no such file.

        Raises:
            ConfigError: It is too large, not text, or open to others.
        """
        if not is_name(name):
            raise ConfigError(f"{name!r} is no name of a secret", "use capitals, digits and _")
        path = f"{self._folder}/{name}"
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise ConfigError(f"{path} cannot be read: {error.strerror}", "mend it") from error
        try:
            return _content(descriptor, path).strip()
        finally:
            os.close(descriptor)

    def names(self) -> Sequence[str]:
        """List the files that are named like secrets."""
        if not self._folder.is_dir():
            return []
        return sorted(p.name for p in self._folder.iterdir() if is_name(p.name))

    def refresh(self) -> None:
        """Look whether every file can be read; raise ConfigError naming all that cannot."""
        wrong = problems(self, self.names())
        if wrong:
            raise ConfigError("; ".join(wrong), "mend the files, or take them away")


class LayeredSecretStore:
    """Several places; a secret is read from the first that has it."""

    def __init__(self, stores: Sequence[_Place]) -> None:
        """Ask `stores` in order."""
        self._stores = tuple(stores)

    def get(self, name: str) -> str:
        """Read a secret.

        Raises:
            ConfigError: It is in none of the places, or is wrong in the first that has it.
        """
        for store in self._stores:
            if value := store.find(name):
                return value
        return whole(name, "", "every place where secrets are kept")

    def names(self) -> Sequence[str]:
        """List the names that are in any of the stores."""
        return sorted({name for store in self._stores for name in store.names()})

    def refresh(self) -> None:
        """Let every store look again; raise ConfigError naming what cannot be read."""
        for store in self._stores:
            store.refresh()


def is_name(text: str) -> bool:
    """Whether a secret may go by such a name."""
    return _NAME.fullmatch(text) is not None


def whole(name: str, value: str, where: str, remedy: str = "") -> str:
    """Return a secret's value; raise ConfigError, naming it, when it is empty."""
    if value:
        return value
    raise ConfigError(
        f"the secret {name} is missing or empty in {where}",
        remedy or f"set {name} in the environment or put a file of that name into the folder",
    )


def problems(store: SecretStore, required: Sequence[str]) -> list[str]:
    """Return a sentence for each required secret that is missing, empty or a placeholder."""
    wrong: list[str] = []
    for name in required:
        try:
            value = store.get(name)
        except ConfigError as error:
            wrong.append(error.what)
            continue
        if value.lower() in PLACEHOLDERS:
            wrong.append(f"the secret {name} is a placeholder")
    return wrong


def _content(descriptor: int, path: str) -> str:
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode):
        raise ConfigError(f"{path} is not a file", "put a file with the secret there")
    if facts.st_mode & _OTHERS:
        mode = stat.filemode(facts.st_mode)
        raise ConfigError(f"{path} is open to others ({mode})", f"chmod 600 {path}")
    if facts.st_size > _LARGEST_BYTES:
        raise ConfigError(f"{path} is larger than {_LARGEST_BYTES} bytes", "no secret is so large")
    try:
        return os.read(descriptor, _LARGEST_BYTES).decode("utf-8")
    except UnicodeDecodeError:
        # The decoder's own words would quote bytes of the secret.
        raise ConfigError(f"{path} is not UTF-8 text", "save the secret as text") from None

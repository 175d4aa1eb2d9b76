"""The embedded PostgreSQL: a real server under the state folder, durable, on a unix socket.

Local trust holds on the socket alone, whose folder nobody else can enter; a TCP port, when
asked for, is on 127.0.0.1 with a password. `fsync` stays on: the journal of orders lives here.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import psycopg
from psycopg import sql

from tradewright.adapters.embedded.grounds import (
    FolderLock,
    data_ground,
    give_away,
    make_folder,
    own_password,
    private_folder,
    refuse_taken,
    socket_folder,
    sync_folder,
    unprivileged_account,
)
from tradewright.adapters.embedded.process import (
    LOG,
    ServerProcess,
    command_of,
    dismiss_watchdog,
    is_running,
    last_words,
    noted_pid,
    processes_in,
    run_once,
    wait_until,
)
from tradewright.adapters.embedded.programs import postgres_programs
from tradewright.core.errors import ConfigError

ROLE = "tradewright"
DATABASE = "postgres"
SOCKET_PORT = 5432
RECOVERY_SECONDS = 120.0
ORPHAN_SECONDS = 5.0
STOPS = (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL)
SETTINGS = {
    "unix_socket_permissions": "0700",
    "shared_buffers": "32MB",
    "max_connections": "100",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "io_method": "sync",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class EmbeddedPostgres:
    """A PostgreSQL server of our own in a folder; start it, use its URL, stop it."""

    def __init__(self, folder: Path, *, port: int | None = None) -> None:
        """Keep the data in `folder`; `port` adds 127.0.0.1 with a password to the socket."""
        self._folder = folder
        self._port = port
        self._lock = FolderLock(folder, "embedded PostgreSQL")
        self._log = folder / LOG
        self._server: ServerProcess | None = None
        self._url = ""

    def start(self) -> str:
        """Start the server, or adopt the one a killed owner left, and return its URL.

        Raises:
            ConfigError: The folder, the port or the socket is in use or not ours to use, or
                the server does not come up; the reason is its own last word.
        """
        if self._server is not None:
            return self._url
        make_folder(self._folder)
        with contextlib.ExitStack() as undo:
            self._lock.acquire()
            undo.callback(self._lock.release)
            self._prepare()
            server = self._left_over() or self._launch()
            undo.callback(server.stop)
            if self._port is not None:
                self._set_password()
            undo.pop_all()
        self._server, self._url = server, self._reach()
        return self._url

    def stop(self) -> None:
        """Stop the server with all committed work on disk; harmless when it is not running."""
        if self._server is None:
            return
        self._server.stop()
        self._server = None
        self._lock.release()

    def remove(self) -> None:
        """Stop the server and delete its data, wherever it lives."""
        self.stop()
        if not self._folder.is_dir():
            return
        with contextlib.ExitStack() as held:
            self._lock.acquire()
            held.callback(self._lock.release)
            self._prepare()
            left_over = self._left_over()
            if left_over is not None:
                left_over.stop()
            shutil.rmtree(self._sockets, ignore_errors=True)
            shutil.rmtree(self._ground, ignore_errors=True)
            shutil.rmtree(self._folder, ignore_errors=True)

    def healthy(self) -> bool:
        """Whether the server answers a query, from the right data, within two seconds."""
        return self._server is not None and self._server.is_running() and self._answers()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def _socket_url(self) -> str:
        port = self._port or SOCKET_PORT
        return f"postgresql://{ROLE}@/{DATABASE}?host={quote(str(self._sockets))}&port={port}"

    @property
    def _socket(self) -> Path:
        return self._sockets / f".s.PGSQL.{self._port or SOCKET_PORT}"

    def _reach(self) -> str:
        if self._port is None:
            return self._socket_url
        password = quote(own_password(self._folder / "password"))
        return f"postgresql://{ROLE}:{password}@127.0.0.1:{self._port}/{DATABASE}"

    def _prepare(self) -> None:
        self._account = unprivileged_account(self._folder / "data")
        self._ground = data_ground(self._folder, self._account).resolve()
        self._data = self._ground / "data"
        self._sockets = socket_folder(self._folder, self._ground, self._account)

    def _command(self) -> list[str]:
        options = dict(SETTINGS)
        options["unix_socket_directories"] = str(self._sockets)
        options["port"] = str(self._port or SOCKET_PORT)
        options["listen_addresses"] = "" if self._port is None else "127.0.0.1"
        program = postgres_programs(self._account) / "postgres"
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return [str(program), "-D", str(self._data), *settings]

    def _left_over(self) -> ServerProcess | None:
        doomed = dismiss_watchdog(self._folder)
        pid = noted_pid(self._data / "postmaster.pid")
        command = command_of(pid)
        if str(self._data) not in command:
            return None
        server = ServerProcess(pid, None, STOPS)
        if not doomed and command == tuple(self._command()) and self._answers():
            server.watch(self._folder)
            return server
        server.stop()
        return None

    def _launch(self) -> ServerProcess:
        refuse_taken(self._socket, self._port)
        self._make_cluster()
        self._end_orphans()
        self._excuse_recycled_pid()
        for path in self._sockets.glob(".s.PGSQL.*"):
            path.unlink()
        said_before = self._log.stat().st_size if self._log.exists() else 0
        server = ServerProcess.spawn(self._command(), self._account, self._folder, STOPS)
        if self._comes_up(server):
            return server
        raise ConfigError(
            f"the embedded PostgreSQL in {self._data} did not start: "
            f"{last_words(self._log, said_before)}",
            f"see {self._log}; mend that, or set DATABASE_URL to a server of your own",
        )

    def _comes_up(self, server: ServerProcess) -> bool:
        with contextlib.ExitStack() as undo:
            undo.callback(server.stop, 5.0)
            wait_until(lambda: self._is_ready(server) or not server.is_running(), RECOVERY_SECONDS)
            if not self._is_ready(server) or not self._answers():
                return False
            undo.pop_all()
        return True

    def _is_ready(self, server: ServerProcess) -> bool:
        note = self._data / "postmaster.pid"
        if not server.is_running() or noted_pid(note) != server.pid:
            return False
        return any(line.strip() == "ready" for line in note.read_text("utf-8").splitlines())

    def _make_cluster(self) -> None:
        if (self._data / "PG_VERSION").exists():
            give_away(self._data, self._account)
            return
        if self._data.exists() and any(self._data.iterdir()):
            raise ConfigError(
                f"{self._data} holds files but no database",
                "move them away or choose another state folder",
            )
        for stale in self._ground.glob("draft-*"):
            shutil.rmtree(stale)
        draft = private_folder(self._ground / f"draft-{os.getpid()}", self._account)
        initdb = postgres_programs(self._account) / "initdb"
        options = ("--no-locale", "--encoding=UTF8", "--no-instructions")
        trust = ("--auth-local=trust", "--auth-host=scram-sha-256")
        command = [str(initdb), "-D", str(draft), "-U", ROLE, *options, *trust]
        run_once(command, self._account, f"making the embedded PostgreSQL's data in {draft}")
        draft.rename(self._data)
        sync_folder(self._ground)

    def _end_orphans(self) -> None:
        # Workers of a killed postmaster notice its death only when they next wait; until they
        # are gone the server refuses to start. They sit in the data folder under this name.
        for number in (signal.SIGQUIT, signal.SIGKILL):
            for pid in processes_in(self._data, "postgres:"):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            if wait_until(lambda: not processes_in(self._data, "postgres:"), ORPHAN_SECONDS):
                return

    def _excuse_recycled_pid(self) -> None:
        # The server takes a stale lock file for a live one when its process id was given to
        # another process since; it never does so for the id of its own parent.
        note = self._data / "postmaster.pid"
        if is_running(noted_pid(note)):
            _, _, rest = note.read_text("utf-8").partition("\n")
            note.write_text(f"{os.getpid()}\n{rest}", "utf-8")

    def _answers(self) -> bool:
        try:
            with psycopg.connect(self._socket_url, connect_timeout=2, autocommit=True) as link:
                row = link.execute("SHOW data_directory").fetchone()
        except psycopg.Error:
            return False
        return row is not None and row[0] == str(self._data)

    def _set_password(self) -> None:
        password = own_password(self._folder / "password")
        change = sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(ROLE), password)
        with psycopg.connect(self._socket_url, connect_timeout=5, autocommit=True) as link:
            link.execute(change)

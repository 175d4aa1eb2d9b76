"""The embedded Redis: a real server under the state folder, its append-only file on.

Writes reach the disk within a second (`appendfsync everysec`); what may not lose a second is
in PostgreSQL. It listens on a unix socket in a folder nobody else can enter; a TCP port, when
asked for, is on 127.0.0.1 with a password.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from tradewright.adapters.embedded.grounds import (
    FolderLock,
    make_folder,
    own_account,
    own_password,
    refuse_taken,
    socket_folder,
)
from tradewright.adapters.embedded.process import (
    LOG,
    ServerProcess,
    command_of,
    dismiss_watchdog,
    last_words,
    noted_pid,
    wait_until,
)
from tradewright.adapters.embedded.programs import redis_program
from tradewright.core.errors import ConfigError

LOADING_SECONDS = 60.0
PROBE_SECONDS = 2.0
STOPS = (signal.SIGTERM, signal.SIGKILL)


class EmbeddedRedis:
    """A Redis server of our own in a folder; start it, use its URL, stop it."""

    def __init__(self, folder: Path, *, port: int | None = None) -> None:
        """Keep the data in `folder`; `port` adds 127.0.0.1 with a password to the socket."""
        self._folder = folder
        self._port = port
        self._lock = FolderLock(folder, "embedded Redis")
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
            undo.pop_all()
        self._server, self._url = server, self._reach()
        return self._url

    def stop(self) -> None:
        """Stop the server with all writes on disk; harmless when it is not running."""
        if self._server is None:
            return
        self._server.stop()
        self._server = None
        self._lock.release()

    def remove(self) -> None:
        """Stop the server and delete its data."""
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
            shutil.rmtree(self._folder, ignore_errors=True)

    def healthy(self) -> bool:
        """Whether the server answers within two seconds."""
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
    def _socket(self) -> Path:
        return self._sockets / "redis.sock"

    @property
    def _configuration_file(self) -> Path:
        return self._folder / "redis.conf"

    def _reach(self) -> str:
        if self._port is None:
            return f"unix://{quote(str(self._socket))}?db=0"
        return f"redis://:{quote(self._password())}@127.0.0.1:{self._port}/0"

    def _prepare(self) -> None:
        self._folder = self._folder.resolve()
        self._sockets = socket_folder(self._folder, self._folder, own_account())

    def _password(self) -> str:
        return own_password(self._folder / "password")

    def _command(self) -> list[str]:
        return [str(redis_program()), str(self._configuration_file)]

    def _configuration(self) -> str:
        settings = {
            "port": str(self._port or 0),
            "bind": "127.0.0.1",
            "unixsocket": _quoted(str(self._socket)),
            "unixsocketperm": "700",
            "dir": _quoted(str(self._folder)),
            "pidfile": _quoted(str(self._folder / "redis.pid")),
            "daemonize": "no",
            "set-proc-title": "no",
            "save": '""',
            "appendonly": "yes",
            "appendfsync": "everysec",
        }
        if self._port is not None:
            settings["requirepass"] = self._password()
        return "".join(f"{name} {value}\n" for name, value in settings.items())

    def _left_over(self) -> ServerProcess | None:
        doomed = dismiss_watchdog(self._folder)
        pid = noted_pid(self._folder / "redis.pid")
        if str(self._configuration_file) not in command_of(pid):
            return None
        server = ServerProcess(pid, None, STOPS)
        same = self._configuration_file.read_text(encoding="utf-8") == self._configuration()
        if not doomed and same and self._answers():
            server.watch(self._folder)
            return server
        server.stop()
        return None

    def _launch(self) -> ServerProcess:
        refuse_taken(self._socket, self._port)
        self._configuration_file.touch(mode=0o600)
        self._configuration_file.write_text(self._configuration(), encoding="utf-8")
        said_before = self._log.stat().st_size if self._log.exists() else 0
        server = ServerProcess.spawn(self._command(), own_account(), self._folder, STOPS)
        with contextlib.ExitStack() as undo:
            undo.callback(server.stop, 5.0)
            wait_until(lambda: self._answers() or not server.is_running(), LOADING_SECONDS)
            if server.is_running() and self._answers():
                undo.pop_all()
                return server
        raise ConfigError(
            f"the embedded Redis in {self._folder} did not start: "
            f"{last_words(self._log, said_before)}",
            f"see {self._log}; mend that, or set REDIS_URL to a server of your own",
        )

    def _answers(self) -> bool:
        asked = b"PING\r\n"
        if self._port is not None:
            asked = b"AUTH " + self._password().encode() + b"\r\n" + asked
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
                link.settimeout(PROBE_SECONDS)
                link.connect(str(self._socket))
                link.sendall(asked)
                return _reply(link).endswith(b"+PONG\r\n")
        except OSError:
            return False


def _reply(link: socket.socket) -> bytes:
    reply = b""
    while not reply.endswith(b"+PONG\r\n") and b"-" not in reply:
        part = link.recv(4096)
        if not part:
            break
        reply += part
    return reply


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

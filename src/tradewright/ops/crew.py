"""Services as child processes of one: started together, watched, stopped in order.

A child stops when the pipe to us closes, which the system does even when we are killed, so nothing
outlives us. Its first line of output says where it listens; its log goes to a file of its own.
"""

from __future__ import annotations

import json
import os
import select
import ssl
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from tradewright.core.clock import SystemClock
from tradewright.core.errors import ConfigError

START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 12.0
_ASK_SECONDS: Final = 2.0
_LOG_BYTES: Final = 16_000_000
_LAST_BYTES: Final = 8_192
_READY: Final = 200


@dataclass(slots=True)
class Member:
    """One child: what it is called, where it listens, where its log is."""

    name: str
    log: Path
    process: subprocess.Popen[bytes] = field(repr=False)
    url: str = ""
    ready: bool = False

    @property
    def is_running(self) -> bool:
        """Whether its process is there."""
        return self.process.poll() is None

    def said(self) -> str:
        """The last thing that its log says."""
        return last_words(self.log)


class Crew:
    """The children, in the order of their start."""

    def __init__(
        self,
        logs: Path,
        environment: Mapping[str, str],
        *,
        authority: Path | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """Have no one yet; `stopped` says that waiting is over, and all must end.

        `authority` is what a child's certificate is checked against when it is asked how it is.
        """
        self.members: list[Member] = []
        self._logs = logs
        self._environment = environment
        self._authority = authority
        self._stopped = stopped
        self._clock = SystemClock()

    def start(self, name: str, arguments: Sequence[str]) -> Member:
        """Start a child with the command `tradewright` and these arguments.

        Raises:
            ConfigError: Its log cannot be written.
        """
        log = self._logs / f"{name}.log"
        command = [sys.executable, "-m", "tradewright", *arguments]
        descriptor = open_log(log)
        try:
            process = subprocess.Popen(  # noqa: S603 - our own command
                command,
                # Never written to: the child stops when it ends, which it does with us.
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=descriptor,
                env=dict(self._environment),
            )
        finally:
            os.close(descriptor)
        member = Member(name, log, process)
        self.members.append(member)
        return member

    def wait_until_ready(self, told: Callable[[Member], None]) -> None:
        """Wait until each child wants requests, or until all is stopped.

        Raises:
            ConfigError: One ended, or was not ready in time; it says why.
        """
        deadline = self._clock.monotonic() + START_SECONDS
        while not self._stopped() and not all(member.ready for member in self.members):
            for member in self.members:
                if not member.ready and self._look(member):
                    told(member)
            if self._clock.monotonic() > deadline:
                late = [member.name for member in self.members if not member.ready]
                raise ConfigError(
                    f"not ready in {START_SECONDS:g} s: {', '.join(late)}",
                    f"see their logs in {self._logs}",
                )
            select.select([], [], [], 0.1)

    def ended(self) -> Member | None:
        """Return a child that has ended, if there is one."""
        return next((member for member in self.members if not member.is_running), None)

    def stop(self) -> list[str]:
        """Stop every child, the last to have started first; return who had to be made to."""
        forced = []
        for member in reversed(self.members):
            if member.is_running:
                member.process.terminate()
            try:
                member.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                forced.append(member.name)
                member.process.kill()
                member.process.wait()
            for stream in (member.process.stdin, member.process.stdout):
                if stream is not None:
                    stream.close()
        return forced

    def _look(self, member: Member) -> bool:
        if not member.is_running:
            raise ConfigError(
                f"{member.name} did not start: {member.said()}",
                f"mend what it says; its log is {member.log}",
            )
        stream = member.process.stdout
        if not member.url and stream and select.select([stream], [], [], 0)[0]:
            member.url = _address(stream.readline())
        if member.url:
            answer = ask(member.url + "/ready", self._authority)
            member.ready = answer is not None and answer[0] == _READY
        return member.ready


def _address(line: bytes) -> str:
    try:
        return str(json.loads(line)["listening"])
    except (ValueError, KeyError, TypeError):
        # It is about to end, and its log says why.
        return ""


def ask(url: str, authority: Path | None = None) -> tuple[int, dict[str, Any]] | None:
    """Ask a service of this machine; its status and body, or None if it does not answer."""
    try:
        with httpx.Client(
            timeout=_ASK_SECONDS, trust_env=False, verify=trusting(authority)
        ) as client:
            answer = client.get(url)
            body = answer.json()
    except (httpx.HTTPError, ValueError):
        return None
    return answer.status_code, body if isinstance(body, dict) else {}


def trusting(authority: Path | None) -> ssl.SSLContext | bool:
    """Return what a service of this machine is checked against: the very certificate it has."""
    if authority is None:
        return True
    verify = ssl.create_default_context(cafile=str(authority))
    # The name in it need not be this machine's.
    verify.check_hostname = False
    verify.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return verify


def open_log(log: Path) -> int:
    """Open a log for appending and return its descriptor; a long one is set aside first.

    Raises:
        ConfigError: It cannot be written.
    """
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        if log.exists() and log.stat().st_size > _LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
        return os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        remedy = "make the state folder writable, or choose another"
        raise ConfigError(f"{log} cannot be written: {error.strerror}", remedy) from error


def last_words(log: Path) -> str:
    """Return the last line of a log that says something; JSON lines by their message."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - _LAST_BYTES))
            lines = stream.read().decode("utf-8", "replace").strip().splitlines()
    except OSError:
        return "it said nothing"
    # What ended it is an error of the command line, which is no line of JSON.
    plain = [line for line in lines if not line.startswith("{")]
    found = (plain or lines or ["it said nothing"])[-1]
    return found.removeprefix("error: ")

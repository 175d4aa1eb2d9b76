"""One JSON line for each thing that happened, whoever says it: our code, libraries, the server.

`configure_logging` is called once by whoever starts a process; calling it again replaces what it
set before. Every line passes the redactor as a whole, its exception too, so no caller has to think
of secrets; but it finds those it knows and those that look like one, so do not test its luck.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import IO, Any, Final

import structlog

from tradewright.core.errors import ConfigError, UnknownName
from tradewright.ops import metrics, tracing
from tradewright.ops.line_writer import LineWriter
from tradewright.ops.redaction import Redactor

SCHEMA_VERSION: Final = "1.0"
LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
FILES: Final = (("trading.log", "", 10 * 2**20, 5), ("system.log", "WARNING", 10 * 2**20, 3))
"""Files of a log folder: name, least level (empty: all that is logged), bytes, older ones kept."""
_ALWAYS: Final = ("trace_id", "request_id", "strategy_id", "client_order_id")
_ENCODE: Final = json.JSONEncoder(
    ensure_ascii=True, allow_nan=False, separators=(",", ":"), default=str
).encode
_COUNTERS: Final = {level: metrics.log_lines.labels(level.lower()) for level in LEVELS}
_PLAIN_RECORD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
_OWN: Final = "tradewright"
# These speak at INFO of every request or query, which our own lines say better.
_TALKATIVE: Final = ("httpx", "httpcore", "psycopg.pool", "alembic", "uvicorn.access")


def configure_logging(
    service: str,
    level: str = "INFO",
    *,
    stream: IO[str] | None = None,
    secrets: Redactor | None = None,
    folder: Path | None = None,
    threaded: bool = False,
) -> None:
    """Let every logger of the process write JSON lines, to `stream` (else standard error).

    With `folder`, also to `trading.log` (all that is logged) and `system.log` (warnings and
    worse) in it, turned over by size. When `threaded`, a thread writes them, as an event loop
    needs it.

    Raises:
        UnknownName: The level is none of LEVELS.
        ConfigError: The folder cannot be written.
    """
    if level not in LEVELS:
        raise UnknownName("LOG_LEVEL", level, LEVELS)
    form = JsonLines(service, secrets or Redactor())
    outlets: list[logging.Handler] = [logging.StreamHandler(stream)]
    outlets += _files(folder) if folder else []
    if threaded:
        outlets = [LineWriter(outlet) for outlet in outlets]
    root = logging.getLogger()
    for former in list(root.handlers):
        if isinstance(former.formatter, JsonLines):
            root.removeHandler(former)
            former.close()
    for outlet in outlets:
        outlet.setFormatter(form)
        root.addHandler(outlet)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    set_level(level)
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, _as_record],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=logging.getLogger,
        cache_logger_on_first_use=True,
    )


def set_level(level: str) -> None:
    """Log what is of this level or worse from now on.

    Raises:
        UnknownName: The level is none of LEVELS.
    """
    if level not in LEVELS:
        raise UnknownName("LOG_LEVEL", level, LEVELS)
    logging.getLogger().setLevel(level)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level)))


def release_logging() -> None:
    """Take down what `configure_logging` has set up."""
    root = logging.getLogger()
    for outlet in list(root.handlers):
        if isinstance(outlet.formatter, JsonLines):
            root.removeHandler(outlet)
            outlet.close()
    root.setLevel(logging.WARNING)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def logger(name: str = _OWN) -> structlog.stdlib.BoundLogger:
    """Return the logger of a part of the platform: `logger(__name__).info("what", field=1)`."""
    found: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return found


class JsonLines(logging.Formatter):
    """Writes a record as one line of JSON with the fields of the schema, redacted."""

    def __init__(self, service: str, secrets: Redactor) -> None:
        """Write in the name of a service."""
        super().__init__()
        self._service = service
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; a record that cannot be written is told of by its place alone."""
        _COUNTERS.get(record.levelname, _COUNTERS["CRITICAL"]).inc()
        try:
            return self._written(record, record.getMessage(), dict(_fields(record)))
        except (TypeError, ValueError, KeyError, ArithmeticError, RecursionError) as error:
            metrics.log_failures.inc()
            what = f"a log line of {record.name}:{record.lineno} could not be written"
            return self._written(record, what, {"problem": type(error).__name__})

    def _written(self, record: logging.LogRecord, message: str, fields: dict[str, Any]) -> str:
        known = tracing.context()
        line: dict[str, Any] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(
                timespec="microseconds"
            ),
            "level": record.levelname,
            "message": message,
            "service": self._service,
            **{name: fields.pop(name, None) or known[name] for name in _ALWAYS},
            "log_schema_version": SCHEMA_VERSION,
            "logger": record.name,
        }
        # A field that is named like one of the schema does not displace it.
        line |= {f"{name}_" if name in line else name: value for name, value in fields.items()}
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = record.stack_info
        try:
            written = _ENCODE(line)
            if not self._secrets.may_hide(written):
                return written
        except (TypeError, ValueError):
            # Not JSON as it came, such as an infinite number: the redactor makes it so.
            written = ""
        return _ENCODE(self._secrets.value(line))


def _fields(record: logging.LogRecord) -> Iterator[tuple[str, object]]:
    for name, value in vars(record).items():
        if name not in _PLAIN_RECORD and not name.startswith("_") and name != "color_message":
            yield name, value
    said = vars(record).get("_said")
    if isinstance(said, Mapping):
        yield from said.items()


def _as_record(
    _logger: object, _method: str, said: structlog.typing.EventDict
) -> tuple[tuple[object, ...], dict[str, Any]]:
    message = str(said.pop("event", ""))
    exc_info = said.pop("exc_info", None)
    stack_info = bool(said.pop("stack_info", False))
    arguments = said.pop("positional_args", ())
    extra = {"exc_info": exc_info, "stack_info": stack_info, "extra": {"_said": dict(said)}}
    return (message, *arguments), extra


def _files(folder: Path) -> list[logging.Handler]:
    outlets: list[logging.Handler] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, least, size, kept in FILES:
            outlet = RotatingFileHandler(
                folder / name, maxBytes=size, backupCount=kept, encoding="utf-8"
            )
            outlet.setLevel(least or logging.NOTSET)
            outlets.append(outlet)
    except OSError as error:
        what = f"the log folder {folder} cannot be written: {error.strerror}"
        raise ConfigError(what, "make it writable or choose another") from error
    return outlets

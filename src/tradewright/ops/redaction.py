"""What may never be read in a log, an error or an answer: known secrets, and what looks like one.

Known values are found wherever they stand, also quoted, escaped or encoded. Patterns catch what
nobody has told us of: headers, passwords in URLs, PEM blocks, tokens. Both prefer to hide too much.
A Redactor works on values before they are written as JSON; a rule that runs over finished JSON
would tear its quotes.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, TypeAlias
from urllib.parse import quote, quote_plus, unquote, urlsplit

from tradewright.core.errors import ConfigError
from tradewright.core.records import JsonValue
from tradewright.ops import metrics
from tradewright.ports import SecretStore

MASK: Final = "[redacted]"
LEAST_LENGTH: Final = 6
"""Values shorter than this are no secrets: hiding them would hide words."""
_READ: Final = metrics.secret_reads.labels("read")
_FAILED: Final = metrics.secret_reads.labels("failed")
_DEEPEST: Final = 12
_PEM_LINE: Final = 24

_NAMES: Final = (
    r"authorization|apca-api-\w+(?:-\w+)*|x-api-key|api[_-]?key(?:[_-]?id)?|cookie|set-cookie"
    r"|x-signature|x-csrf-token|csrf[_-]?token|csrftoken|x-user-context|traceable-secret"
    r"|password|passwd|passphrase|secret(?:[_-]?\w+)*|\w*_secret(?:[_-]\w+)*"
    r"|(?:access|refresh|id|bearer|session|auth|internal)[_-]?token|token|client[_-]assertion"
    r"|private[_-]?key|signing[_-]?key|encryption[_-]?key|credentials?|code[_-]verifier"
    r"|otp|totp|recovery[_-]codes?"
)
_SECRET_KEY: Final = re.compile(
    r"(?:^|[^a-z])(?:password|passwd|passphrase|secret|token|authorization|cookie|signature|csrf"
    r"|otp|totp|credentials?|x-user-context|recovery_codes?|code_verifier|apca-api\S*"
    r"|(?:api|private|signing|encryption|secret|access)[_-]?keys?(?:_id)?)s?(?:$|[^a-z])",
    re.IGNORECASE,
)
_WORDS: Final = (
    *("pass", "secret", "token", "key", "otp", "signature", "csrf", "context", "credential"),
    *("verifier", "recovery", "assertion", "apca-"),
)
_Rule: TypeAlias = "tuple[tuple[str, ...], re.Pattern[str], str]"
# Between a name and its value; possessive, so that what is hidden already is not hidden again.
_SEPARATOR: Final = (
    r"(\\?+[\"']?+\s*+[:=,]\s*+(?:b(?=[\"']))?+)"
    r"(?!\[redacted\])(\\?[\"'](?!\[redacted\]))?+"
)
# Each rule behind the words without which it cannot match: looking for words is far cheaper.
_RULES: Final[tuple[_Rule, ...]] = (
    (
        ("-----begin",),
        re.compile(r"-----BEGIN [A-Z0-9 ]+-----.*?(?:-----END [A-Z0-9 ]+-----|\Z)", re.DOTALL),
        MASK,
    ),
    (("eyj",), re.compile(r"\beyJ[\w-]{5,}(?:\.[\w-]*){1,4}"), MASK),
    (("://",), re.compile(r"(?i)([a-z][\w+.-]*://)[^\s/?#'\"<>]*:[^\s'\"<>]*@"), rf"\1{MASK}@"),
    (
        ("bearer", "basic", "digest"),
        re.compile(r"(?i)\b(bearer|basic|digest)\s+[\w.~+/=-]{8,}"),
        rf"\1 {MASK}",
    ),
    (
        ("authorization", "cookie"),
        re.compile(
            r"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie)"
            rf"{_SEPARATOR}[^\s\"'][^\r\n\"']*"
        ),
        rf"\1\2\3{MASK}",
    ),
    (
        _WORDS,
        re.compile(
            rf"(?i)(?<![a-z])({_NAMES}){_SEPARATOR}(?(3)(?:(?!\3)[^\n])+|[^\s\"',;&)}}\]\\]+)"
        ),
        rf"\1\2\3{MASK}",
    ),
    (
        ("code=", "state=", "sid=", "session="),
        re.compile(r"(?i)([?&;\s](?:code|state|sid|session)=)[^\s&;#\"']{8,}"),
        rf"\1{MASK}",
    ),
    (("pk", "ak", "ck"), re.compile(r"\b[PAC]K[A-Z0-9]{16,}\b"), MASK),
)
_ALARMS: Final = tuple(word for words, _, _ in _RULES[:-1] for word in words)
_KEY_ALARMS: Final = ("PK", "AK", "CK")


class Redactor:
    """Hides secrets in texts and values; it can be taught more of them at any time."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Begin with these values."""
        self._taught: set[str] = set()
        self._known: tuple[str, ...] = ()
        self._written: tuple[str, ...] = ()
        for value in secrets:
            self.learn(value)

    def learn(self, value: str) -> None:
        """Hide a value from now on, however it is quoted, escaped or encoded."""
        if value in self._taught:
            return
        self._taught.add(value)
        found = set(self._known)
        for part in _parts(value):
            found.update(form for form in _forms(part) if len(form) >= LEAST_LENGTH)
        # The longest first, or a part of a longer secret would leave its rest to be read.
        self._known = tuple(sorted(found, key=lambda form: (-len(form), form)))
        self._written = tuple({json.dumps(form)[1:-1] for form in found})

    def may_hide(self, line: str) -> bool:
        """Whether finished JSON (ASCII) could hold what must not be read; cheap to ask."""
        for form in self._written:
            if form in line:
                return True
        for word in _KEY_ALARMS:
            if word in line:
                return True
        lowered = line.lower()
        return any(word in lowered for word in _ALARMS)

    def text(self, text: str) -> str:
        """Return the text without what must not be read."""
        for form in self._known:
            if form in text:
                text = text.replace(form, MASK)
        lowered = text.lower()
        for words, pattern, instead in _RULES:
            for word in words:
                if word in lowered:
                    text = pattern.sub(instead, text)
                    break
        return text

    def value(self, value: object, depth: int = 0) -> JsonValue:
        """Return a value as JSON, without what must not be read in its keys and texts."""
        if value is None or isinstance(value, bool | int):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else str(value)
        if isinstance(value, bytes | bytearray):
            value = value.decode("utf-8", "replace")
        if isinstance(value, str) or depth >= _DEEPEST:
            return self.text(value) if isinstance(value, str) else "[too deep]"
        if isinstance(value, Mapping):
            return {self.text(str(key)): self._of(key, value[key], depth) for key in value}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(part, depth + 1) for part in value]
        return self.text(str(value))

    def _of(self, key: object, value: object, depth: int) -> JsonValue:
        harmless = value is None or isinstance(value, bool | int | float)
        return MASK if is_secret_name(str(key)) and not harmless else self.value(value, depth + 1)


class LearningSecrets:
    """A SecretStore whose values are hidden as soon as they are read, rotated ones too."""

    def __init__(self, store: SecretStore, learn: Callable[[str], None]) -> None:
        """Read from `store`; `learn` is told each value."""
        self._store = store
        self._learn = learn

    def get(self, name: str) -> str:
        """Read a secret; raise ConfigError, naming it, if it is not there."""
        try:
            value = self._store.get(name)
        except ConfigError:
            _FAILED.inc()
            raise
        _READ.inc()
        self._learn(value)
        return value

    def names(self) -> Sequence[str]:
        """List the secrets that are there."""
        return self._store.names()

    def refresh(self) -> None:
        """Read anew what may have been rotated."""
        self._store.refresh()


def is_secret_name(name: str) -> bool:
    """Whether what goes by such a name must not be read, whatever it is."""
    return _SECRET_KEY.search(name) is not None


def _parts(value: str) -> Iterable[str]:
    yield value
    yield value.strip()
    if "," in value:
        # Two active values of one secret, while it is being rotated.
        yield from (part.strip() for part in value.split(","))
    if "://" in value:
        try:
            password = urlsplit(value).password
        except ValueError:
            password = None
        if password:
            yield password
            yield unquote(password)
    if "-----BEGIN" in value:
        lines = (line.strip() for line in value.splitlines())
        yield from (line for line in lines if len(line) >= _PEM_LINE and "-----" not in line)


def _forms(value: str) -> Iterable[str]:
    yield value
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield repr(value)[1:-1]
    yield repr(value.encode())[2:-1]
    yield quote(value)
    yield quote(value, safe="")
    yield quote_plus(value)
    yield base64.b64encode(value.encode()).decode()
    yield base64.urlsafe_b64encode(value.encode()).decode()
    yield value.encode().hex()

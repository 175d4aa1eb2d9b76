"""Every error of the platform, named by what the caller must do about it.

TradewrightError
├── ConfigError                      fix it and start again; the process does not start
│   └── ReloadRefused                what is in force stays
├── InvalidInput (ValueError)        the caller broke a stated rule
│   └── ArraysRefused                the compiled path cannot run it equally: use the events
├── DataError                        the number cannot be trusted
│   ├── MissingData · StaleData · QualityFailure · ChecksumMismatch
│   └── LookAhead                    asked for what was not yet known
├── OrderError
│   ├── InvalidTransition            the event cannot follow the order's status
│   └── DuplicateOrder               same id, other content
├── ConflictError                    somebody else wrote first: read again
├── LedgerError                      cash or positions do not add up: stop
├── VenueError
│   ├── VenueUnavailable · RateLimited(retry_after)      try again: same id
│   └── VenueRejected(code)                              do not
├── SafetyError                      state of a switch cannot be known: act as if engaged
│   └── LimiterUnavailable           how often was asked cannot be known: refuse what adds risk
├── WorkError                        work handed to other processes came to nothing
├── PeerError                        one of our own services did not do what was asked
│   ├── PeerUnavailable              no readable answer: it may or may not have been done
│   └── PeerRefused(code)            it was understood and refused
└── AccessError
    ├── NotAuthenticated(code)       who asks is not known: show it, or show it again
    ├── NotPermitted                 who asks is known and may not
    ├── LastAdmin                    nobody could mend accounts any more
    └── LimitReached(retry_after)    asked too often: wait, then ask again

Constructors take the objects and compose the sentence; the objects stay as attributes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class TradewrightError(Exception):
    """The root: everything the platform raises on purpose."""


class ConfigError(TradewrightError):
    """Settings or surroundings are wrong; nothing was started."""

    def __init__(self, what: str, remedy: str = "") -> None:
        """Compose `what` is wrong and the `remedy`."""
        self.what = what
        self.remedy = remedy
        super().__init__(f"{what}; {remedy}" if remedy else what)


class ReloadRefused(ConfigError):
    """Settings were to be read anew and cannot be taken up; those in force stay."""


class InvalidInput(TradewrightError, ValueError):
    """A value broke a stated rule."""

    def __init__(self, field: str, value: object, rule: str, remedy: str = "") -> None:
        """Name the `field`, the `value` given, the `rule` it broke and the `remedy`."""
        self.field = field
        self.value = value
        self.rule = rule
        self.remedy = remedy
        super().__init__(f"{field}: {value!r} {rule}" + (f"; {remedy}" if remedy else ""))


class DataError(TradewrightError):
    """A number cannot be trusted."""

    def __init__(self, where: str, what: str, remedy: str = "") -> None:
        """Say `where` the data stands, `what` is wrong with it and the `remedy`."""
        self.where = where
        self.what = what
        self.remedy = remedy
        super().__init__(f"{where}: {what}" + (f"; {remedy}" if remedy else ""))


class MissingData(DataError):
    """What was asked for is not there."""


class StaleData(DataError):
    """What is there is too old."""


class QualityFailure(DataError):
    """What is there breaks a rule of its kind."""


class ChecksumMismatch(DataError):
    """What is there is not what was written."""


class LookAhead(DataError):
    """Asked for what was not yet known."""


class OrderError(TradewrightError):
    """An order's life took a turn that it cannot take."""


class InvalidTransition(OrderError):
    """The event cannot follow the order's status."""

    def __init__(self, order_id: str, status: str, event: str) -> None:
        """Name the order, its `status` and the `event` that cannot follow."""
        self.order_id = order_id
        self.status = status
        self.event = event
        super().__init__(f"order {order_id}: {event} cannot follow status {status}")


class DuplicateOrder(OrderError):
    """An order of the same id and other content exists."""

    def __init__(self, order_id: str, difference: str) -> None:
        """Name the order and what differs."""
        self.order_id = order_id
        self.difference = difference
        super().__init__(f"order {order_id} exists with other content: {difference}")


class ConflictError(TradewrightError):
    """Somebody else wrote first: read again, then decide again."""

    def __init__(self, what: str, expected: int, found: int | None) -> None:
        """Name `what` was to be written, the version `expected` and the one `found`."""
        self.what = what
        self.expected = expected
        self.found = found
        super().__init__(f"{what}: expected version {expected}, found {found}")


class LedgerError(TradewrightError):
    """Cash or positions do not add up: stop."""

    def __init__(self, what: str) -> None:
        """Say what does not add up."""
        self.what = what
        super().__init__(what)


class VenueError(TradewrightError):
    """The venue did not do what was asked."""


class VenueUnavailable(VenueError):
    """No answer, or none that can be read: whether it was done is unknown."""

    def __init__(self, venue: str, what: str, body: str = "") -> None:
        """Name the `venue` and `what` went wrong; `body` is the start of what it said, as it came.

        The sentence does not hold the body: it is for the journal and for people who look.
        """
        self.venue = venue
        self.what = what
        self.body = body
        super().__init__(f"{venue}: {what}")


class RateLimited(VenueError):
    """Asked too often; nothing was done."""

    def __init__(self, venue: str, retry_after: float) -> None:
        """Name the `venue` and the seconds to wait."""
        self.venue = venue
        self.retry_after = retry_after
        super().__init__(f"{venue}: rate limited, retry after {retry_after:g} s")


class VenueRejected(VenueError):
    """The venue refused; asking again will not help."""

    def __init__(self, venue: str, code: str, message: str) -> None:
        """Name the `venue`, its `code` and its `message`."""
        self.venue = venue
        self.code = code
        self.message = message
        super().__init__(f"{venue}: refused ({code}): {message}")


class SafetyError(TradewrightError):
    """The state of a switch cannot be known: act as if it were engaged."""

    def __init__(self, what: str) -> None:
        """Say which state is unknown and why."""
        self.what = what
        super().__init__(what)


class LimiterUnavailable(SafetyError):
    """How often was asked cannot be known, so what adds risk is refused."""


class WorkError(TradewrightError):
    """Work that was handed to other processes came to nothing."""

    def __init__(self, where: str, what: str) -> None:
        """Name `where` it was done and say `what` went wrong."""
        self.where = where
        self.what = what
        super().__init__(f"{where}: {what}")


class PeerError(TradewrightError):
    """One of our own services did not do what was asked."""


class PeerUnavailable(PeerError):
    """No answer, or none that can be read: whether it was done is unknown."""

    def __init__(self, service: str, what: str) -> None:
        """Name the `service` and `what` went wrong."""
        self.service = service
        self.what = what
        super().__init__(f"{service}: {what}")


class PeerRefused(PeerError):
    """The service understood and refused; asking the same again will not help."""

    def __init__(self, service: str, status: int, code: str, detail: str) -> None:
        """Name the `service`, the `status` and stable `code` of its answer, and what it said."""
        self.service = service
        self.status = status
        self.code = code
        self.detail = detail
        super().__init__(f"{service}: refused ({code}): {detail}")


class AccessError(TradewrightError):
    """Whoever asks is not let in."""


class NotAuthenticated(AccessError):
    """Who asks is not known."""

    def __init__(self, code: str, what: str) -> None:
        """Name the stable `code` and say `what` is wrong with what was shown, never quoting it."""
        self.code = code
        self.what = what
        super().__init__(f"{code}: {what}")


class NotPermitted(AccessError):
    """Who asks is known and may not do this."""

    def __init__(self, who: str, what: str, code: str = "not_permitted") -> None:
        """Name the principal, `what` it may not do and the stable `code`."""
        self.who = who
        self.what = what
        self.code = code
        super().__init__(f"{who} may not {what}")


class LastAdmin(AccessError):
    """Nobody would be left who may mend accounts; nothing was done."""

    def __init__(self, name: str) -> None:
        """Name the admin who is the last."""
        self.name = name
        super().__init__(f"{name} is the last admin; make another one first")


class LimitReached(AccessError):
    """Asked too often; nothing was done."""

    def __init__(self, limit: str, most: int, window_seconds: int, retry_after: float) -> None:
        """Name the `limit`, how many are allowed in its window, and the seconds to wait."""
        self.limit = limit
        self.most = most
        self.window_seconds = window_seconds
        self.retry_after = retry_after
        super().__init__(
            f"{limit}: at most {most} in {window_seconds} s; try again in {retry_after:.0f} s"
        )


class UnknownName(InvalidInput):
    """A name is not in its registry."""

    def __init__(self, field: str, value: str, known: Sequence[str]) -> None:
        """Name the `field`, the unknown `value` and the names that are `known`."""
        self.known = tuple(known)
        listed = ", ".join(sorted(known)[:20]) or "none"
        super().__init__(field, value, "is not known", f"choose one of: {listed}")


class ArraysRefused(InvalidInput):
    """The compiled path cannot run a spec so that it equals the engine that trades."""

    def __init__(self, reason: str) -> None:
        """Say why not."""
        self.reason = reason
        super().__init__("engine", "arrays", f"cannot run this equally: {reason}", "use events")

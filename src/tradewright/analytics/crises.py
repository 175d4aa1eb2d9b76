"""Bad times of the US stock market, dated by the closes of the S&P 500 index.

`first` is the close before the fall and `last` the lowest close, so the dates were known only
afterwards: they are for looking back and never for a strategy.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Crisis:
    """A fall of the market from the close of `first` to that of `last`, and who tells of it."""

    name: str
    first: date
    last: date
    source: str


_CLOSES: Final = "S&P Dow Jones Indices, closes of the S&P 500"

CRISES: Final = (
    Crisis(
        "October 1987",
        date(1987, 8, 25),
        date(1987, 12, 4),
        "Brady Commission, Report of the Presidential Task Force on Market Mechanisms, 1988",
    ),
    Crisis("Gulf crisis", date(1990, 7, 16), date(1990, 10, 11), _CLOSES),
    Crisis(
        "Russia and LTCM",
        date(1998, 7, 17),
        date(1998, 8, 31),
        "President's Working Group, Hedge Funds, Leverage, and the Lessons of LTCM, 1999",
    ),
    Crisis("Dot-com bust", date(2000, 3, 24), date(2002, 10, 9), _CLOSES),
    Crisis(
        "September 2001",
        date(2001, 9, 10),
        date(2001, 9, 21),
        "NYSE and Nasdaq closed 11 to 14 September 2001; closes of the S&P 500",
    ),
    Crisis(
        "Financial crisis",
        date(2007, 10, 9),
        date(2009, 3, 9),
        "Financial Crisis Inquiry Commission, Report, 2011; closes of the S&P 500",
    ),
    Crisis(
        "Flash crash and Greece",
        date(2010, 4, 23),
        date(2010, 7, 2),
        "SEC and CFTC, Findings regarding the market events of May 6, 2010",
    ),
    Crisis(
        "US downgrade and euro",
        date(2011, 7, 22),
        date(2011, 10, 3),
        "Standard & Poor's, United States lowered to AA+, 5 August 2011; closes of the S&P 500",
    ),
    Crisis(
        "China devaluation",
        date(2015, 8, 17),
        date(2015, 8, 25),
        "SEC, Equity market volatility on August 24, 2015",
    ),
    Crisis("Oil and China", date(2015, 12, 29), date(2016, 2, 11), _CLOSES),
    Crisis(
        "Volatility spike",
        date(2018, 1, 26),
        date(2018, 2, 8),
        "BIS Quarterly Review, March 2018; closes of the S&P 500",
    ),
    Crisis("Fourth quarter 2018", date(2018, 9, 20), date(2018, 12, 24), _CLOSES),
    Crisis(
        "Covid-19",
        date(2020, 2, 19),
        date(2020, 3, 23),
        "Financial Stability Board, Holistic review of the March market turmoil, 2020",
    ),
    Crisis("Rate rises of 2022", date(2022, 1, 3), date(2022, 10, 12), _CLOSES),
    Crisis("Tariffs of 2025", date(2025, 2, 19), date(2025, 4, 8), _CLOSES),
)


def crises_within(first: date, last: date) -> Sequence[Crisis]:
    """Return the crises that a span of dates holds wholly, in order of time."""
    return tuple(one for one in CRISES if first <= one.first and one.last <= last)

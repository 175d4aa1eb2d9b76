"""Returns explained by factors: an ordinary least squares fit with an intercept.

A factor's contribution is its loading times its mean return, so contributions and alpha add up to
the mean return exactly; that holds within the sample and promises nothing beyond it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tradewright.analytics.returns import SESSIONS_A_YEAR
from tradewright.core.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tradewright.core.frames import FloatArray


@dataclass(frozen=True, slots=True)
class Loading:
    """What one factor explains.

    `contribution` is a fraction a year, arithmetic; `t_value` is the loading over its standard
    error, NaN where nothing is left unexplained.
    """

    factor: str
    loading: float
    t_value: float
    contribution: float


@dataclass(frozen=True, slots=True)
class Attribution:
    """A fit of returns on factors.

    `alpha` is the intercept times 252, a fraction a year; `mean` the mean return times 252;
    `residual` the deviation of what is left, times sqrt(252).
    """

    mean: float
    alpha: float
    alpha_t_value: float
    loadings: tuple[Loading, ...]
    r_squared: float
    residual: float
    sessions: int


def attribute(
    returns: FloatArray,
    factors: Mapping[str, FloatArray],
    sessions_a_year: int = SESSIONS_A_YEAR,
) -> Attribution:
    """Fit r_t = α + Σ β_k f_kt + ε_t by least squares.

    Errors are taken as independent and of one variance. Sessions in which any series is NaN are
    left out of the fit; `sessions` says how many were used.

    Args:
        returns: Simple returns a session, shape (sessions,).
        factors: Returns of each factor by its name, same shape.
        sessions_a_year: Sessions that make a year.

    Raises:
        InvalidInput: There is no factor, one differs in length, there are no more sessions than
            numbers to find, or the factors do not vary apart from each other.
    """
    design, known = _design(returns, factors)
    count, width = design.shape
    fitted, _, rank, _ = np.linalg.lstsq(design, known, rcond=None)
    solution = np.asarray(fitted, dtype=np.float64)
    if rank < width:
        names = ", ".join(factors)
        raise InvalidInput("factors", names, "do not vary apart from each other", "leave one out")
    left = known - design @ solution
    variance = float(left @ left) / (count - width)
    total = float(np.sum((known - known.mean()) ** 2))
    errors = np.sqrt(variance * np.diag(np.linalg.inv(design.T @ design)))
    ratios = (solution / np.where(errors > 0, errors, np.nan)).tolist()
    given = np.asarray(solution * design.mean(axis=0) * sessions_a_year, dtype=np.float64)
    return Attribution(
        mean=float(known.mean()) * sessions_a_year,
        alpha=float(solution[0]) * sessions_a_year,
        alpha_t_value=ratios[0],
        loadings=_loadings(list(factors), solution, ratios, given),
        r_squared=1 - float(left @ left) / total if total > 0 else float("nan"),
        residual=float(np.sqrt(variance * sessions_a_year)),
        sessions=count,
    )


def _design(
    returns: FloatArray, factors: Mapping[str, FloatArray]
) -> tuple[FloatArray, FloatArray]:
    if not factors:
        raise InvalidInput("factors", "none", "there must be one")
    for name, values in factors.items():
        if len(values) != len(returns):
            rule = f"must be of the same {len(returns)} sessions"
            raise InvalidInput("factors", f"{name} with {len(values)}", rule)
    table = np.column_stack([np.ones(len(returns)), *factors.values()])
    known = ~(np.isnan(returns) | np.isnan(table).any(axis=1))
    if np.count_nonzero(known) <= table.shape[1]:
        found = int(np.count_nonzero(known))
        raise InvalidInput("returns", found, f"must be more than {table.shape[1]} known sessions")
    return table[known], returns[known]


def _loadings(
    names: Sequence[str], solution: FloatArray, ratios: Sequence[float], contributions: FloatArray
) -> tuple[Loading, ...]:
    rows = zip(names, solution[1:], ratios[1:], contributions[1:], strict=True)
    return tuple(Loading(name, float(s), t, float(c)) for name, s, t, c in rows)

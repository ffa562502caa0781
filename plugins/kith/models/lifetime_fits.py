"""Maximum likelihood: from several starts, with intervals, or a reason why not."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.optimize import minimize

Floats = npt.NDArray[np.floating[Any]]
Integers = npt.NDArray[np.integer[Any]]
Booleans = npt.NDArray[np.bool_]
# Of the logarithms of parameters the log-likelihood and its gradient.
LogLikelihood = Callable[[Floats], tuple[float, Floats]]

NORMAL_95 = 1.959964
# The optimiser looks no further than this factor, as a logarithm, from its start.
_REACH = 12.0
# Ends of two starts are one where no parameter differs by more than a hundredth.
_AGREE = 0.01
_STEP = 1e-4
# So many rows tell whether the starts agree.
_ENOUGH = 20_000


class Refusal(Exception):
    """Why a model may not be used; the message is the reason that readers see."""


class Fit(NamedTuple):
    """Parameters in their order, the 95 % interval of each, and the log-likelihood."""

    parameters: Floats
    lower: Floats
    upper: Floats
    log_likelihood: float

    def rescaled(self, units: Sequence[float], log_factor: float) -> "Fit":
        """The same in other units of parameters and data."""
        parameters, lower, upper = (each * np.array(units) for each in self[:3])
        return Fit(parameters, lower, upper, self.log_likelihood + log_factor)


def fit(
    likelihood: Callable[..., LogLikelihood],
    rows: Sequence[Floats],
    names: Sequence[str],
    starts: Sequence[Sequence[float]],
) -> Fit:
    """The positive parameters that make these rows likeliest.

    `rows` are the columns from which `likelihood` makes a log-likelihood, the last how
    often each row is there. Of many rows a part says whether the starts agree, and
    where to begin with all. The intervals are Wald's, of the logarithms. Raises Refusal
    where the starts end in several places, or not at a maximum.
    """
    step = len(rows[0]) // _ENOUGH
    if step > 1:
        thinned = [column[::step] for column in rows]
        starts = [fit(likelihood, thinned, names, starts).parameters.tolist()]
    log_likelihood = likelihood(*rows)
    ends = [_climb(log_likelihood, np.log(start), rows[-1].sum()) for start in starts]
    best, theta = max(ends, key=lambda end: end[0])
    for _, other in ends:
        apart = np.abs(other - theta)
        if apart.max() > _AGREE:
            at = int(apart.argmax())
            raise Refusal(
                f"the starts of the fit disagree: {names[at]} is "
                f"{np.exp(theta[at]):.4g} or {np.exp(other[at]):.4g}"
            )
    # Where the optimiser ends, within its tolerance, hangs on the last digits of the
    # data and on the processor; after a step of Newton's method it no longer does.
    theta, _ = _newton(log_likelihood, theta)
    theta, error = _newton(log_likelihood, theta)
    best, _ = log_likelihood(theta)
    lower, upper = theta - NORMAL_95 * error, theta + NORMAL_95 * error
    return Fit(np.exp(theta), np.exp(lower), np.exp(upper), best)


def _climb(
    log_likelihood: LogLikelihood, start: Floats, count: float
) -> tuple[float, Floats]:
    """The highest point that the optimiser finds, and where it lies."""

    def descent(theta: Floats) -> tuple[float, Floats]:
        value, gradient = log_likelihood(theta)
        return -value / count, -gradient / count

    # L-BFGS-B would keep all cores busy with waiting for each other.
    end = minimize(
        descent,
        start,
        jac=True,
        method="SLSQP",
        bounds=np.stack([start - _REACH, start + _REACH], axis=1),
        options={"ftol": 1e-13, "maxiter": 500},
    )
    return -float(end.fun) * count, end.x


def _newton(log_likelihood: LogLikelihood, theta: Floats) -> tuple[Floats, Floats]:
    """The logarithms of the parameters a step nearer to the top, and their errors.

    Raises Refusal where the likelihood does not fall on all sides, or where it is still
    farther to the top of it than starts may be apart.
    """
    slopes = [
        log_likelihood(theta - side)[1] - log_likelihood(theta + side)[1]
        for side in _STEP * np.eye(len(theta))
    ]
    curvature = np.array(slopes) / (2 * _STEP)
    curvature = (curvature + curvature.T) / 2
    if np.isfinite(curvature).all() and np.linalg.eigvalsh(curvature)[0] > 0:
        covariance = np.linalg.inv(curvature)
        to_the_top = covariance @ log_likelihood(theta)[1]
        if np.abs(to_the_top).max() <= _AGREE:
            return theta + to_the_top, np.sqrt(np.diag(covariance))
    raise Refusal("the fit has no maximum: the data do not tell its parameters")


def counted(*columns: Floats) -> tuple[Floats, ...]:
    """Each combination of values once, in their order, and last how often it is there.

    So sums over them do not depend on the order of the rows.
    """
    key = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        values, place = placed(column)
        key = key * len(values) + place
    _, first, count = np.unique(key, return_index=True, return_counts=True)
    return *(column[first] for column in columns), count.astype(np.float64)


def placed(column: Floats) -> tuple[Floats, Integers]:
    """The distinct values in their order, and where among them each row's is.

    They are found by hashing: to sort all rows takes longer where many are equal.
    """
    encoded = pa.array(column).dictionary_encode()
    values = np.asarray(encoded.dictionary)
    order = np.argsort(values)
    place = np.empty_like(order)
    place[order] = np.arange(len(values))
    return values[order], place[np.asarray(encoded.indices)]

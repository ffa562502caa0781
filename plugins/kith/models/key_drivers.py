"""Which share of what is explained each driver bears, from correlations alone.

`r_xx` are the correlations of the drivers with each other, `r_xy` those with what they
drive. What comes back sums to R².
"""

from functools import cache
from math import comb

import numpy as np

from kith.models.lifetime_fits import Floats

# Of more drivers the orders of entry are too many to go through.
MOST_DRIVERS_OF_LMG = 12
# Of two drivers that say the same one adds nothing: their matrix has no inverse.
_NOTHING = 1e-10


def lmg(r_xx: Floats, r_xy: Floats) -> Floats:
    """Mean gain in R² over all orders of entry (Shapley; Lindeman, Merenda, Gold 1980).

    Of two that say the same each bears a half.
    """
    count = len(r_xy)

    @cache
    def explained(drivers: int) -> float:
        chosen = [place for place in range(count) if drivers >> place & 1]
        if not chosen:
            return 0.0
        weights, *_ = np.linalg.lstsq(
            r_xx[np.ix_(chosen, chosen)], r_xy[chosen], rcond=_NOTHING
        )
        return float(weights @ r_xy[chosen])

    shares = np.zeros(count)
    for drivers in range(1 << count):
        size = drivers.bit_count()
        for place in range(count):
            if not drivers >> place & 1:
                gain = explained(drivers | 1 << place) - explained(drivers)
                shares[place] += gain / (count * comb(count - 1, size))
    return shares


def relative_weights(r_xx: Floats, r_xy: Floats) -> Floats:
    """Weights by way of the nearest orthogonal drivers (Johnson 2000)."""
    values, vectors = np.linalg.eigh(r_xx)
    is_something = values > _NOTHING
    vectors, roots = vectors[:, is_something], np.sqrt(values[is_something])
    to_orthogonal = (vectors * roots) @ vectors.T
    back = (vectors / roots) @ vectors.T
    return (to_orthogonal**2) @ ((back @ r_xy) ** 2)

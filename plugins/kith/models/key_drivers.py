"""Which share of what is explained each driver bears, from correlations alone.

`r_xx` are the correlations of the drivers with each other, `r_xy` those with what they
drive. What comes back sums to R².
"""

from math import comb

import numpy as np

from kith.models.lifetime_fits import Floats

# Of more drivers the orders of entry are too many to go through.
MOST_DRIVERS_OF_LMG = 12
# Of two drivers that say the same one adds nothing: their matrix has no inverse.
_NOTHING = 1e-10


def lmg(r_xx: Floats, r_xy: Floats) -> Floats:
    """Mean gain in R² over all orders of entry (Shapley; Lindeman, Merenda, Gold 1980).

    Of two that say the same each bears a half. Axes before the last ones are kept: they
    are as many sets of correlations.
    """
    *sets, count = r_xy.shape
    # What is left of the drivers to come and of the outcome once those of a subset are
    # known, and how much of the outcome these explain. The bits of a place tell the
    # subset.
    left = np.concatenate([r_xx, r_xy[..., np.newaxis, :]], axis=-2)
    left = left.reshape(-1, 1, count + 1, count)
    explained = np.zeros((len(left), 1))
    for _ in range(count):
        own = left[..., 0, 0]
        is_something = own > _NOTHING
        scale = np.where(is_something, 1 / np.where(is_something, own, 1), 0)
        gain = left[..., -1, 0] ** 2 * scale
        explained = np.concatenate([explained, explained + gain], axis=1)
        column = left[..., 1:, 0] * scale[..., np.newaxis]
        others = left[..., 1:, 1:]
        known = (
            others - column[..., np.newaxis] * left[..., 1:-1, 0][..., np.newaxis, :]
        )
        left = np.concatenate([others, known], axis=1)
    subsets = np.arange(1 << count)
    sizes = np.array([subset.bit_count() for subset in range(1 << count)])
    weights = np.array([1 / (count * comb(count - 1, k)) for k in range(count)])
    shares = np.empty((len(left), count))
    for driver in range(count):
        without = subsets[subsets >> driver & 1 == 0]
        gain = explained[:, without | 1 << driver] - explained[:, without]
        shares[:, driver] = gain @ weights[sizes[without]]
    return shares.reshape(*sets, count)


def relative_weights(r_xx: Floats, r_xy: Floats) -> Floats:
    """Weights by way of the nearest orthogonal drivers (Johnson 2000)."""
    values, vectors = np.linalg.eigh(r_xx)
    is_something = values > _NOTHING
    vectors, roots = vectors[:, is_something], np.sqrt(values[is_something])
    to_orthogonal = (vectors * roots) @ vectors.T
    back = (vectors / roots) @ vectors.T
    return (to_orthogonal**2) @ ((back @ r_xy) ** 2)

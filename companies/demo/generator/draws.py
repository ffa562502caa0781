"""Random numbers that depend on what they are for, never on the order of asking."""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import special

Numbers = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_STEP = np.uint64(0x9E3779B97F4A7C15)


def _mixed(state: Numbers) -> Numbers:
    """The finaliser of splitmix64."""
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


class Draws:
    """Draws named by a purpose and by the keys of what they are drawn for."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def bits(self, purpose: str, *keys: npt.NDArray[np.generic]) -> Numbers:
        """64 random bits for each combination of keys."""
        text = f"{self._seed}:{purpose}".encode()
        start = int.from_bytes(hashlib.sha256(text).digest()[:8], "little")
        state = np.full(keys[0].shape, start, dtype=np.uint64)
        for key in keys:
            state = _mixed(state + (key.astype(np.uint64) + np.uint64(1)) * _STEP)
        return state

    def uniform(self, purpose: str, *keys: npt.NDArray[np.generic]) -> Floats:
        """Evenly in (0, 1), both ends left out."""
        bits = self.bits(purpose, *keys) >> np.uint64(11)
        return (bits.astype(np.float64) + 0.5) * 2.0**-53

    def below(self, end: Integers | int, purpose: str, *keys: Numbers) -> Integers:
        """A whole number from 0 to `end` - 1."""
        return (self.uniform(purpose, *keys) * end).astype(np.int64)

    def normal(self, purpose: str, *keys: Numbers) -> Floats:
        """Mean 0, standard deviation 1."""
        return np.asarray(special.ndtri(self.uniform(purpose, *keys)))

    def poisson(self, mean: Floats, purpose: str, *keys: Numbers) -> Integers:
        """A number of events of which `mean` are expected."""
        chance = self.uniform(purpose, *keys)
        count = np.zeros(len(chance), dtype=np.int64)
        share = np.exp(-mean)
        below = share.copy()
        most = float(mean.max(initial=0.0))
        for number in range(1, int(most + 12 * most**0.5) + 30):
            left = chance > below
            if not left.any():
                break
            count += left
            share = share * mean / number
            below += share
        return count

    def choice(self, shares: Sequence[float], purpose: str, *keys: Numbers) -> Integers:
        """A position in `shares`, each with its share of the sum."""
        ends = np.cumsum(shares) / np.sum(shares)
        position = np.searchsorted(ends, self.uniform(purpose, *keys), side="right")
        return np.minimum(position, len(shares) - 1).astype(np.int64)


def repeated(counts: Integers) -> tuple[Integers, Integers]:
    """For counts (2, 0, 1): the owners 0, 0, 2 and the numbers 0, 1, 0 within each."""
    owner = np.repeat(np.arange(len(counts)), counts)
    number = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    return owner, number

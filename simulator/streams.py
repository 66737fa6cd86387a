"""Random numbers that belong to a contact, not to the order in which code runs.

Every random quantity is a uniform from the counter-based generator Philox4x32-10 at the place
(seed, stable hash of the name, copy, cause, attempt, quantity). Two runs that ask for the same
place get the same number, whatever else they ask for, so that every policy and every staffing
faces the same customers (common random numbers).

Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.

Why not ``numpy.random.Philox``: a generator object for each contact costs some 10 us; this is
vectorised over contacts and costs some 0.2 us a number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = 0x9E3779B9, 0xBB67AE85
_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)


def stable_hash(names: Iterable[str]) -> NDArray[np.uint64]:
    """64-bit hashes of ``names`` that are the same on every machine and in every version."""
    return np.fromiter(
        (
            int.from_bytes(
                hashlib.blake2b(n.encode("utf-8", "surrogatepass"), digest_size=8).digest(),
                "little",
            )
            for n in names
        ),
        dtype=np.uint64,
    )


def philox4x32(
    counter: tuple[ArrayLike, ArrayLike, ArrayLike, ArrayLike], key: tuple[int, int]
) -> tuple[NDArray[np.uint64], ...]:
    """Philox4x32-10 over arrays of 32-bit counter words (held in uint64). Four words back."""
    c0, c1, c2, c3 = np.broadcast_arrays(*(np.asarray(word, dtype=np.uint64) for word in counter))
    k0, k1 = key
    for _ in range(10):
        product0, product1 = _M0 * c0, _M1 * c2
        c0, c1, c2, c3 = (
            (product1 >> _SHIFT) ^ c1 ^ np.uint64(k0),
            product1 & _LOW,
            (product0 >> _SHIFT) ^ c3 ^ np.uint64(k1),
            product0 & _LOW,
        )
        k0, k1 = (k0 + _W0) & 0xFFFFFFFF, (k1 + _W1) & 0xFFFFFFFF
    return c0, c1, c2, c3


class Streams:
    """The uniforms of one seed.

    Args:
        seed: any integer in [0, 2^64).
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def uniform(
        self,
        names: NDArray[np.uint64],
        quantity: str,
        *,
        copy: ArrayLike = 0,
        attempt: ArrayLike = 0,
    ) -> NDArray[np.float64]:
        """Uniforms in the open interval (0, 1), one for each of ``names``.

        Args:
            names: stable hashes (:func:`stable_hash`) of what the number belongs to.
            quantity: what it decides, with its cause ("patience", "recontact.delay").
            copy: bootstrap copy or replication, below 2^16; scalar or one for each name.
            attempt: visit number, below 2^16; scalar or one for each name.

        Returns:
            float64 array of the shape of ``names``, 52 bits each.
        """
        word = int(stable_hash([quantity])[0])
        place = (np.asarray(copy, np.uint64) << np.uint64(16)) | np.asarray(attempt, np.uint64)
        # The quantity goes into the key with the seed: the counter is then wholly the contact's.
        key = self.seed ^ word
        a, b, _, _ = philox4x32(
            (names & _LOW, names >> _SHIFT, place, np.uint64(0)),
            (key & 0xFFFFFFFF, (key >> 32) & 0xFFFFFFFF),
        )
        bits = (a << np.uint64(20)) | (b >> np.uint64(12))
        return (bits.astype(np.float64) + 0.5) * 2.0**-52

"""The random numbers: published answers of Philox, and independence of order."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from simulator.streams import Streams, philox4x32, stable_hash


def words(counter, key):
    return tuple(int(word) for word in philox4x32(counter, key))


def test_philox_gives_the_published_known_answers():
    # kat_vectors of Random123, philox4x32 10 rounds.
    assert words((0, 0, 0, 0), (0, 0)) == (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)
    ones = 0xFFFFFFFF
    assert words((ones,) * 4, (ones, ones)) == (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)
    pi = (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344)
    assert words(pi, (0xA4093822, 0x299F31D0)) == (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)


def test_stable_hash_is_the_published_blake2b():
    assert stable_hash([""])[0] == int.from_bytes(bytes.fromhex("e4a6a0577479b2b4"), "little")


@given(st.lists(st.text(max_size=8), min_size=1, max_size=30, unique=True), st.randoms())
def test_a_number_belongs_to_its_name_not_to_its_place(names, random):
    first = dict(zip(names, Streams(3).uniform(stable_hash(names), "patience"), strict=True))
    random.shuffle(names)
    again = Streams(3).uniform(stable_hash(names), "patience")
    assert [first[name] for name in names] == list(again)


def test_every_coordinate_changes_the_number():
    name = stable_hash(["c1"])
    numbers = {
        float(Streams(1).uniform(name, "patience")[0]),
        float(Streams(2).uniform(name, "patience")[0]),
        float(Streams(1).uniform(name, "work")[0]),
        float(Streams(1).uniform(name, "patience", copy=1)[0]),
        float(Streams(1).uniform(name, "patience", attempt=1)[0]),
        float(Streams(1).uniform(stable_hash(["c2"]), "patience")[0]),
    }
    assert len(numbers) == 6


def test_uniforms_are_uniform_and_uncorrelated_between_copies():
    names = stable_hash(str(i) for i in range(200_000))
    a = Streams(9).uniform(names, "x")
    b = Streams(9).uniform(names, "x", copy=1)
    assert 0 < a.min()
    assert a.max() < 1
    counts = np.histogram(a, bins=100, range=(0, 1))[0]
    chi2 = ((counts - 2000) ** 2 / 2000).sum()
    assert chi2 < 99 + 4 * np.sqrt(2 * 99)
    assert abs(np.corrcoef(a, b)[0, 1]) < 4 / np.sqrt(200_000)

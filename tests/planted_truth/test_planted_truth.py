"""A recommendation beyond the truly safe stage is as rare as stated: 200 planted histories.

Slow (a minute or two on two cores): ``just test-slow``. At a level of 5 % ten of 200 are
expected at the worst; more than 17 would come of it once in a hundred studies.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

import pytest

from tests.planted_truth.study import Outcome, outcomes

pytestmark = pytest.mark.slow

HISTORIES, MOST_WRONG = 200, 17
Study = dict[str, list[Outcome]]


@pytest.fixture(scope="module")
def study() -> Study:
    # Not forked: threads of the tables' engine would be lost on the way.
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        each = list(pool.map(outcomes, range(HISTORIES), chunksize=5))
    return {way: [one[way] for one in each] for way in each[0]}


def _wrong(found: Sequence[Outcome]) -> int:
    return sum(one.beyond for one in found)


def test_the_recommended_stage_is_rarely_beyond_the_truly_safe_one(study: Study) -> None:
    print()
    for way, found in study.items():
        worth = [one for one in found if one.worth]
        print(
            f"{way}: beyond the truly safe stage in {_wrong(found)} of {len(found)} histories, in "
            f"some segment in {sum(one.beyond_in_segment for one in found)}; it could be in "
            f"{sum(one.possible for one in found)}; the truly safe stage was reached in "
            f"{sum(one.reached for one in found)}, and where it is automatic in "
            f"{sum(one.reached for one in worth)} of {len(worth)}"
        )
    for way in ("this history", "future traffic"):
        assert _wrong(study[way]) <= MOST_WRONG
        assert sum(one.beyond_in_segment for one in study[way]) <= MOST_WRONG


def test_the_study_could_have_found_something(study: Study) -> None:
    """Most histories have an unsafe stage, and the gates do let bots go on."""
    for way in ("this history", "future traffic"):
        assert sum(one.possible for one in study[way]) > HISTORIES / 2
        worth = [one for one in study[way] if one.worth]
        assert sum(one.reached for one in worth) > len(worth) / 10


@pytest.mark.parametrize("way", ["judge believed", "Wald"])
def test_a_weakened_gate_goes_too_far(study: Study, way: str) -> None:
    in_segments = sum(one.beyond_in_segment for one in study[way])
    assert max(_wrong(study[way]), in_segments) > MOST_WRONG

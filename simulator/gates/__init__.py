"""Gates: may a candidate be let onto a stage, for a segment? Pass, fail, or not known yet.

Why like this
-------------
* Rates of what the bot said are certified by labels of people alone, never by the judge that
  also routes, feeds or stratifies: with a judge of sensitivity .5 a raw judge rate is half the
  truth. No label, no bound, no pass.
* What the bot said is asked of the conversations it spoke in; whether high risk was left to people
  in time, of all replayed ones: those that no bot spoke in are the ones caught earliest.
* Among the segments of a stage, claims on labels share the level by Holm: with eight segments each
  at 95 %, one of three operations would see a segment pass by luck. All conversations together are
  one claim of their own. Stages are tested in the order of the ladder, and all gates of a stage
  must pass: neither needs more.
* What replay cannot know is a range from best to worst case. It may block a stage; by itself it
  promotes none (:func:`recommend`).
* An override is somebody's, with a reason and an end; the status stays what it is.

``testing`` goes through stages, candidates and segments; ``labelled`` and ``simulated`` hold the
gates, ``thresholds`` the score from which a bot may answer, ``recommendation`` what follows, and
``self_test`` shows that none of it has been weakened.
"""

from simulator.gates.recommendation import passed, recommend
from simulator.gates.testing import Age, Evidence, evaluate

__all__ = ["Age", "Evidence", "evaluate", "passed", "recommend"]

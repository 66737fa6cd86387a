"""Retrieves an article and answers with it, whatever the question.

This is the FAQ robot that support desks start from: it has no notion of risk, of what the article
promises, or of a question better not answered. Its score is that of the retrieval. Only where
nothing is found at all does it say that it does not know.
"""

from __future__ import annotations

from simulator.candidates import Answerer, Materials, Point, Reply, by_rule, last_words
from simulator.candidates.phrases import phrase
from simulator.retrieval import Retriever
from simulator.scenario import Candidate


def make(config: Candidate, materials: Materials) -> Answerer:
    """The answerer over ``materials.knowledge``."""
    retriever = Retriever(materials.knowledge)
    texts = dict(materials.knowledge.select("article_id", "text").iter_rows())

    def one(point: Point) -> Reply:
        hit = find(retriever, point, config.min_score)
        if hit is None:
            return Reply("refuse", phrase(point.language, "refuse"), 0.0)
        article, score = hit
        return Reply("answer", texts[article], score, (article,))

    return by_rule(one, config, materials)


def find(retriever: Retriever, point: Point, min_score: float) -> tuple[str, float] | None:
    """The best article for the point's last words, or for all the customer said so far.

    A follow-up ("Visa.") finds nothing by itself; what the customer asked before may.
    """
    for text in (last_words(point), " ".join(t for role, t in point.said if role == "customer")):
        hits = retriever.top(text, point.language, point.at)
        if hits and hits[0].score >= min_score:
            return hits[0]
    return None

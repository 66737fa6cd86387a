"""Decides first, over the five actions, from the contexts and the policy; only then writes.

The order of its decisions is the order of harm: escalate what is high risk or needs a person,
calm an angry customer, ask for what is missing, say "I don't know" where the knowledge holds
nothing, and answer last. In an answer, the policy goes before the article: where a rule restricts
what may be promised about this intent, its mandated wording is said instead of the article.
"""

from __future__ import annotations

from typing import Any

from simulator.candidates import Answerer, Materials, Point, Reply, by_rule
from simulator.candidates.faq_rag import find
from simulator.candidates.phrases import phrase
from simulator.candidates.policy import spoken, valid
from simulator.retrieval import Retriever
from simulator.scenario import Candidate
from simulator.sentences import sentences


def make(config: Candidate, materials: Materials) -> Answerer:
    """The answerer over ``materials``; a point without a context is escalated."""
    retriever = Retriever(materials.knowledge)
    articles = {row["article_id"]: row for row in materials.knowledge.to_dicts()}
    rules = materials.policy.sort("rule_id").to_dicts()

    def one(point: Point) -> Reply:
        context = point.context
        if context is None or context["risk"] == "high" or context["needs_human"]:
            return Reply("escalate", phrase(point.language, "escalate"), 0.0)
        hit = find(retriever, point, config.min_score)
        score = hit[1] if hit else 0.0
        if context["emotion"] == "angry" and not _soothed(point):
            return Reply("soothe", phrase(point.language, "soothe"), score)
        missing = context["missing_info"] or []
        asked = [item for item in missing if not _asked(point, item)]
        if context["info_sufficient"] is False and asked:
            return Reply("clarify", phrase(point.language, "clarify", asked[0]), score)
        if hit is None:
            words = ("refuse", "refuse_and_offer")
            return Reply("refuse", " ".join(phrase(point.language, word) for word in words), 0.0)
        article = articles[hit[0]]
        return Reply("answer", _worded(article, point), score, (hit[0],))

    def _worded(article: dict[str, Any], point: Point) -> str:
        restricting = [
            rule
            for rule in rules
            if rule["allowed"] != "always"
            and rule["intent"] is not None
            and rule["intent"] == article["intent"]
            and spoken(rule["language"], point.language)
            and valid(rule, point.at)
        ]
        wordings = [rule["mandated_wording"] for rule in restricting if rule["mandated_wording"]]
        if wordings:
            return " ".join(dict.fromkeys(wordings))
        return str(article["text"])

    return by_rule(one, config, materials)


def _soothed(point: Point) -> bool:
    # Calming twice in the same words would only make it worse.
    return (
        any(
            role != "customer" and phrase(point.language, "soothe") in text
            for role, text in point.said
        )
        or sum(role == "customer" for role, _ in point.said) > 3
    )


def _asked(point: Point, item: str) -> bool:
    question = sentences(phrase(point.language, "clarify", item))[0]
    return any(role != "customer" and question in text for role, text in point.said)

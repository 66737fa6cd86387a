"""What is known of each decision point and of each reply, from people where they said it.

Labels come before the rules judge, column by column: what all labellers of a point agree on is
taken, and one who saw high risk outweighs one who did not, as for the gates.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import polars as pl

from simulator.boundary.questions import asks_or_gives, is_courtesy, normal
from simulator.retrieval import Retriever
from simulator.sentences import sentences

POINT = ["conversation_id", "turn"]
REPLY = ["candidate", *POINT]
JUDGE = "rules"
INCUMBENT = "human"
# Weakest article that counts as one about the question; as candidates have it by default.
_MIN_SCORE = 0.12
# A question is often near two articles, one for the case and one for all cases.
_NEAR = 2
# Labels of a reply that has changed since are about other words.
_CHANGED = "changed"
_CONTEXT = ("risk", "needs_human", "info_sufficient", "missing_info", "emotion")
_VERDICT = ("action", "risky_promise", "over_answer", "tone")


def points_read(
    points: pl.DataFrame,
    conversations: pl.DataFrame,
    contexts: pl.DataFrame,
    labels: pl.DataFrame,
    knowledge: pl.DataFrame,
) -> pl.DataFrame:
    """One row a decision point, in order of conversations and turns.

    Args:
        points: table ``decision_points``.
        conversations: table ``conversations``.
        contexts: table ``contexts``.
        labels: table ``labels``.
        knowledge: table ``knowledge``.

    Returns:
        The columns of ``points`` and of the conversation (channel, language, intent, outcomes),
        and ``high`` (risk high or a person needed), ``info_sufficient``, ``missing`` (what is
        missing), ``emotion``, ``evidence``, ``known_by`` (labels or rules), ``courtesy`` (nothing
        but thanks or a greeting), ``article`` (the best for the customer's last words),
        ``articles`` (those near it, of the conversation's intent) and ``covered`` (there is such
        a one; null without knowledge or intent).
    """
    read = contexts.filter(pl.col("judge") == JUDGE).select(*POINT, *_CONTEXT, "evidence")
    about = (
        points.sort(POINT)
        .join(conversations.drop("weight"), on="conversation_id", how="left", maintain_order="left")
        .join(read, on=POINT, how="left", maintain_order="left")
        .join(_agreed_contexts(labels), on=POINT, how="left", maintain_order="left", suffix="_said")
    )
    # Whoever labelled a point said all that matters there, or it is not said to be known by them.
    by_people = pl.all_horizontal(
        pl.col(f"{name}_said").is_not_null() for name in ("risk", "needs_human", "info_sufficient")
    )
    merged = about.with_columns(
        *(pl.coalesce(f"{name}_said", name).alias(name) for name in _CONTEXT),
        pl.when(by_people).then(pl.lit("labels")).otherwise(pl.lit("rules")).alias("known_by"),
    ).with_columns(
        pl.col("missing_info").fill_null([]).alias("missing"),
        ((pl.col("risk") == "high") | pl.col("needs_human")).alias("high"),
    )
    return merged.drop(f"{name}_said" for name in _CONTEXT).with_columns(
        pl.Series(
            "courtesy", [is_courtesy(text or "") for text in merged["text"]], dtype=pl.Boolean
        ),
        *_found(merged, knowledge),
    )


def _agreed_contexts(labels: pl.DataFrame) -> pl.DataFrame:
    turns = labels.filter(pl.col("turn").is_not_null())
    return turns.group_by(POINT).agg(
        pl.when((pl.col("risk") == "high").any())
        .then(pl.lit("high"))
        .otherwise(_agreed("risk"))
        .alias("risk"),
        pl.when(pl.col("needs_human").any())
        .then(pl.lit(True))
        .otherwise(_agreed("needs_human"))
        .alias("needs_human"),
        *(_agreed(name).alias(name) for name in ("info_sufficient", "missing_info", "emotion")),
    )


def _agreed(name: str) -> pl.Expr:
    said = pl.col(name).drop_nulls()
    return pl.when(said.n_unique() == 1).then(said.first())


def _found(points: pl.DataFrame, knowledge: pl.DataFrame) -> tuple[pl.Series, ...]:
    retriever = Retriever(knowledge)
    intents = dict(knowledge.select("article_id", "intent").iter_rows())
    best: list[str | None] = []
    fitting: list[list[str]] = []
    covered: list[bool | None] = []
    for text, language, at, intent in points.select("text", "language", "at", "intent").iter_rows():
        hits = [hit for hit in retriever.top(text, language, at, _NEAR) if hit.score >= _MIN_SCORE]
        article = hits[0].article_id if hits else None
        best.append(article)
        fitting.append([h.article_id for h in hits if intents[h.article_id] in (None, intent)])
        if knowledge.is_empty() or intent is None:
            covered.append(None)
        else:
            covered.append(bool(fitting[-1]))
    return (
        pl.Series("article", best, dtype=pl.String),
        pl.Series("articles", fitting, dtype=pl.List(pl.String)),
        pl.Series("covered", covered, dtype=pl.Boolean),
    )


def replies_read(
    shadow: pl.DataFrame, verdicts: pl.DataFrame, labels: pl.DataFrame
) -> pl.DataFrame:
    """One row a reply with words, of whoever: what it does, promises and how it sounds.

    Args:
        shadow: table ``shadow``; rows without a reply are left out, and those of candidates that
            were cut off or repeat themselves: they teach no boundary.
        verdicts: table ``verdicts``.
        labels: table ``labels``.

    Returns:
        ``candidate, conversation_id, turn, reply, action, commitment, asked_for,
        cited_article, risky_promise, over_answer, tone`` and ``risky_by`` (labels or rules).
    """
    read = verdicts.filter(pl.col("judge") == JUDGE).select(
        *REPLY, *_VERDICT, "commitment", "asked_for", "cited_article"
    )
    said = (
        labels.filter(pl.col("turn").is_not_null() & (pl.col("stratum") != _CHANGED))
        .group_by(REPLY)
        .agg(
            _agreed("action").alias("action"),
            pl.when(pl.col("risky_promise").any())
            .then(pl.lit(True))
            .otherwise(_agreed("risky_promise"))
            .alias("risky_promise"),
            _agreed("over_answer").alias("over_answer"),
            _agreed("tone").alias("tone"),
        )
    )
    worded = shadow.filter(
        pl.col("error").is_null() & (pl.col("reply").str.strip_chars().str.len_chars() > 0)
    )
    theirs = pl.col("candidate") == INCUMBENT
    broken = [_babbles(text) for text in worded["reply"]]
    cut_off = (pl.col("finish_reason") == "length").fill_null(False)
    whole = worded.filter(theirs | ~(cut_off | pl.Series(broken, dtype=pl.Boolean)))
    return (
        whole.select(*REPLY, "reply", pl.col("action").alias("own_action"))
        .join(read, on=REPLY, how="left")
        .join(said, on=REPLY, how="left", suffix="_said")
        .sort(REPLY)
        .select(
            *REPLY,
            "reply",
            pl.coalesce("own_action", "action_said", "action").alias("action"),
            "commitment",
            "asked_for",
            "cited_article",
            *(pl.coalesce(f"{n}_said", n).alias(n) for n in _VERDICT[1:]),
            pl.when(pl.col("risky_promise_said").is_not_null())
            .then(pl.lit("labels"))
            .otherwise(pl.lit("rules"))
            .alias("risky_by"),
        )
    )


def _babbles(text: str) -> bool:
    """Whether a reply says a sentence twice, or repeats what it was asked with."""
    said = Counter(normal(sentence) for sentence in sentences(text))
    return any(n > 1 for n in said.values()) or "help article" in text.lower()


def called_for(points: pl.DataFrame, incumbent: pl.DataFrame) -> pl.DataFrame:
    """``points`` with the decision that each calls for.

    In the order of harm: escalate what is high risk or needs a person, calm an angry customer,
    ask for what is missing, calm an upset one who asks nothing, say "I don't know" where nothing
    is left to ask or to look up, else answer. Nobody is calmed or asked twice, and thanks and
    greetings call for nothing.

    Args:
        points: of :func:`points_read`.
        incumbent: the incumbent's rows of :func:`replies_read`.

    Returns:
        ``points`` with ``called_for`` (null: nothing, or unknown), ``heated`` (upset or angry in
        these very words) and ``asked`` (what the incumbent asked for before).
    """
    acted = incumbent.select(*POINT, pl.col("action").alias("done"), "asked_for")
    rows = points.join(acted, on=POINT, how="left", maintain_order="left")
    needs: list[str | None] = []
    before: list[list[str]] = []
    heated: list[bool] = []
    for past, row in _with_past(rows.iter_rows(named=True)):
        asked = [one["asked_for"] for one in past if one["asked_for"]]
        soothed = any(one["done"] == "soothe" for one in past)
        heated.append(_heated(row))
        needs.append(_need(row, asked, heated[-1] and not soothed))
        before.append(asked)
    return points.with_columns(
        pl.Series("called_for", needs, dtype=pl.String),
        pl.Series("heated", heated, dtype=pl.Boolean),
        pl.Series("asked", before, dtype=pl.List(pl.String)),
    )


def _with_past(rows: Iterable[dict[str, Any]]) -> Iterator[tuple[list[dict[str, Any]], Any]]:
    past: list[dict[str, Any]] = []
    for row in rows:
        if past and past[-1]["conversation_id"] != row["conversation_id"]:
            past = []
        yield past, row
        past.append(row)


def _heated(row: dict[str, Any]) -> bool:
    # A mood lasts; it is answered where its words stand.
    words = row["evidence"]
    here = row["n_th"] == 0 or (words is not None and words in (row["text"] or ""))
    return here and row["emotion"] in ("upset", "angry")


def _need(row: dict[str, Any], asked: list[str], heated: bool) -> str | None:
    if row["courtesy"] or row["high"] is None:
        return None
    if row["high"]:
        return "escalate"
    if heated and row["emotion"] == "angry":
        return "soothe"
    if row["info_sufficient"] is False:
        # Later in a conversation the rules see what is missing for the case as a whole, while the
        # customer may ask what any article answers.
        general = row["known_by"] == "rules" and row["n_th"] > 0 and row["covered"]
        if any(item not in asked for item in row["missing"]) and not general:
            return "clarify"
        if general:
            return None
    # Who asks something, or gives what was asked for, wants to hear of that first.
    if heated and not asks_or_gives(row["text"] or ""):
        return "soothe"
    if row["info_sufficient"]:
        return "answer"
    # An article about it may hold all that the rules judge misses; people have looked.
    lacking = row["info_sufficient"] is False and row["known_by"] == "labels"
    return "refuse" if lacking or row["covered"] is False else None

"""Verdicts on replies, by rules.

Why columns and not rows: candidates quote the same articles again and again, and desks their own
phrases. Each sentence is split, screened and read once for all replies that hold it, each text once
for all rows that repeat it; what depends on the point (authority, over-answering, tone to an upset
customer) is judged once for each combination that occurs.
"""

from __future__ import annotations

from concurrent.futures import Executor, ThreadPoolExecutor

import polars as pl

from simulator import tables
from simulator.judging import actions, attitude
from simulator.judging.promises.authority import Policy
from simulator.judging.promises.commitments import Commitment, find_all
from simulator.judging.quantities import folded
from simulator.retrieval import Retriever
from simulator.schema.conversations import BROKEN_RULES
from simulator.sentences import split

JUDGE = "rules"
# Weakest retrieval hit at which a reply counts as citing an article.
MIN_CITATION = 0.2

_POINT = ("conversation_id", "turn")


def judge_replies(
    shadow: pl.DataFrame,
    points: pl.DataFrame,
    contexts: pl.DataFrame,
    conversations: pl.DataFrame,
    policy: pl.DataFrame | None,
    knowledge: pl.DataFrame | None,
) -> pl.DataFrame:
    """The verdicts on all shadow rows.

    Args:
        shadow: table ``shadow``.
        points: table ``decision_points``; gives the time of each point.
        contexts: table ``contexts`` of one judge; a point without a context leaves ``over_answer``
            null.
        conversations: table ``conversations``; gives intent and language.
        policy: table ``commitments_policy``. None: ``authorised`` and ``risky_promise`` are null
            and ``unscored`` is ``no_policy``; all else is judged.
        knowledge: table ``knowledge``, to find what an answer cites. None: only what the
            candidate says it cites.

    Returns:
        Table ``verdicts`` with judge ``rules``, one row for each of ``shadow``, in its order. A row
        with an error or without a reply has ``unscored = no_reply`` and nothing else but the
        candidate's own action. ``evidence`` and the spans of ``broken_rules`` are exact spans of
        the reply; the latter is null but in a risky promise.

    Raises:
        TableError: the policy cannot be used (see
            :class:`simulator.judging.promises.authority.Policy`).
    """
    rows = _rows(shadow, points, contexts, conversations)
    told = pl.col("error").is_null() & pl.col("reply").str.contains(r"[^\s\x1c-\x1f]")
    rows = rows.with_columns(told.fill_null(False).alias("told"))
    said = rows.filter("told")
    texts = said.select("reply", "chinese").unique(maintain_order=True).with_row_index("text")
    heard = attitude.hear(texts["reply"])
    # Columns are read on all cores meanwhile; the rules on clauses keep but one of them busy.
    with ThreadPoolExecutor(max_workers=1) as beside:
        sounds = beside.submit(_tones, said, heard)
        found, read = _read(texts, heard, beside)
        said = (
            said.join(texts, on=["reply", "chinese"], how="left", maintain_order="left")
            .join(read, on="text", how="left", maintain_order="left")
            .with_columns(pl.coalesce("action", "shown_action").alias("action"))
        )
        said = said.join(
            sounds.result(),
            on=["reply", "emotion"],
            how="left",
            nulls_equal=True,
            maintain_order="left",
        )
    said = _with_citation(said, knowledge)
    said = _with_authority(said, found, policy)
    answers = pl.col("action") == "answer"
    over = (pl.col("risk") == "high").fill_null(False) | ~pl.col("info_sufficient").fill_null(True)
    known = pl.col("risk").is_not_null() & pl.col("info_sufficient").is_not_null()
    judged = said.select(
        "row",
        "action",
        "commitment",
        "commitments",
        cited_article="article",
        asked_for=pl.when(pl.col("action") == "clarify").then("asked_for"),
        authorised="authorised",
        risky_promise=~pl.col("authorised"),
        compliance_breach=pl.col("breach").is_not_null(),
        over_answer=pl.when(~answers).then(False).when(over).then(True).when(known).then(False),
        tone="tone",
        # The gravest finding speaks: a firm commitment, a breach, the tone, and else the action.
        evidence=pl.coalesce("firm_span", "breach", "tone_span", "hedged_span", "shown_by"),
        broken_rules="broken_rules",
        unscored=pl.lit("no_policy" if policy is None else None, pl.String),
    )
    silent = rows.filter(~pl.col("told")).select(
        "row", "action", unscored=pl.lit("no_reply", pl.String)
    )
    verdicts = rows.select("row", "candidate", *_POINT).join(
        pl.concat([judged, silent], how="diagonal"), on="row", how="left", maintain_order="left"
    )
    return tables.conform("verdicts", verdicts.with_columns(judge=pl.lit(JUDGE)))


def _rows(
    shadow: pl.DataFrame, points: pl.DataFrame, contexts: pl.DataFrame, conversations: pl.DataFrame
) -> pl.DataFrame:
    about = conversations.select("conversation_id", "intent", "language")
    place = contexts.select(*_POINT, "risk", "info_sufficient", "emotion")
    return (
        shadow.select(
            "candidate",
            *_POINT,
            "action",
            "reply",
            "error",
            pl.col("article_ids").list.first().alias("article"),
        )
        .with_row_index("row")
        .join(about, on="conversation_id", how="left", maintain_order="left")
        .join(points.select(*_POINT, "at"), on=_POINT, how="left", maintain_order="left")
        .join(place.unique(_POINT, keep="last"), on=_POINT, how="left", maintain_order="left")
        .with_columns(
            chinese=pl.col("language").str.starts_with("zh").fill_null(False),
            speaker=pl.when(pl.col("candidate") == "human")
            .then(pl.lit("agent"))
            .otherwise(pl.lit("auto")),
        )
    )


def _read(
    texts: pl.DataFrame, heard: pl.DataFrame, beside: Executor
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What each text says by itself: its commitments one by one, and all else one row a text."""
    said = split(texts["reply"]).with_columns(folded(pl.col("sentence")).alias("folded"))
    said = said.join(texts.select("text", "chinese"), on="text", how="left", maintain_order="left")
    acts = beside.submit(_acts, said, texts, heard)
    found = find_all(said, texts)
    firm = pl.col("firmness") == "firm"
    made = found.group_by("text", maintain_order=True).agg(
        pl.struct("kind", "value", "unit", "firmness", "span").alias("commitments"),
        firm.any().alias("firm"),
        pl.col("span").filter(firm).first().alias("firm_span"),
        pl.col("span").first().alias("hedged_span"),
    )
    read = (
        acts.result()
        .join(made, on="text", how="left")
        .with_columns(
            commitment=pl.when("firm")
            .then(pl.lit("firm"))
            .when(pl.col("firm").is_not_null())
            .then(pl.lit("hedged"))
            .otherwise(pl.lit("none")),
            commitments=pl.col("commitments").fill_null([]),
            shown_action=pl.col("action").fill_null("answer"),
            shown_by=pl.coalesce("shown_by", pl.col("reply").str.strip_chars()),
        )
        .drop("action", "reply")
    )
    return found, read


def _acts(said: pl.DataFrame, texts: pl.DataFrame, heard: pl.DataFrame) -> pl.DataFrame:
    ordered = heard.filter(pl.col("plain") != pl.col("reply"))
    ordered = texts.join(ordered, on="reply", how="semi")
    done = actions.actions(actions.spoken(said, ordered["text"]))
    breaches = attitude.breaches(texts["reply"], heard)["span"].alias("breach")
    read = texts.select("text", "reply", breaches)
    return read.join(done, on="text", how="left", maintain_order="left")


def _tones(said: pl.DataFrame, heard: pl.DataFrame) -> pl.DataFrame:
    distinct = said.select("reply", "emotion").unique()
    tones = attitude.tones(distinct["reply"], distinct["emotion"], heard)
    return distinct.hstack(tones.select("tone", pl.col("span").alias("tone_span")))


def _with_citation(said: pl.DataFrame, knowledge: pl.DataFrame | None) -> pl.DataFrame:
    if knowledge is None:
        return said
    retriever = Retriever(knowledge)
    said = said.with_columns(_epoch(said["at"], knowledge).alias("epoch"))
    on = ["reply", "language", "epoch"]
    asked = (pl.col("action") == "answer") & pl.col("article").is_null()
    distinct = said.filter(asked).group_by(on).agg(pl.col("at").first())
    hits = [
        next(iter(retriever.top(reply, language, at)), None)
        for reply, language, _, at in distinct.select(*on, "at").iter_rows()
    ]
    cited = [hit.article_id if hit and hit.score >= MIN_CITATION else None for hit in hits]
    distinct = distinct.select(*on, pl.Series("cited", cited, dtype=pl.String))
    said = said.join(distinct, on=on, how="left", nulls_equal=True, maintain_order="left")
    return said.with_columns(pl.when(asked).then("cited").otherwise("article").alias("article"))


def _with_authority(
    said: pl.DataFrame, found: pl.DataFrame, policy: pl.DataFrame | None
) -> pl.DataFrame:
    if policy is None:
        return said.with_columns(
            authorised=pl.lit(None, pl.Boolean), broken_rules=pl.lit(None, BROKEN_RULES)
        )
    rules = Policy(policy)
    made: dict[int, list[Commitment]] = {}
    for text, *one in found.iter_rows():
        made.setdefault(text, []).append(Commitment(*one))
    said = said.with_columns(_epoch(said["at"], policy).alias("epoch"))
    on = ["text", "intent", "language", "epoch", "speaker"]
    firm = pl.col("commitment") == "firm"
    distinct = said.filter(firm).group_by(on).agg(pl.col("at").first(), pl.col("reply").first())
    broken = [
        rules.broken(
            made[text],
            rules.stated(reply, language, at),
            intent=intent,
            language=language,
            at=at,
            speaker=speaker,
        )
        for text, intent, language, _, speaker, at, reply in distinct.iter_rows()
    ]
    told = [[one._asdict() for one in ones] or None for ones in broken]
    distinct = distinct.select(*on, pl.Series("broken_rules", told, dtype=BROKEN_RULES))
    said = said.join(distinct, on=on, how="left", nulls_equal=True, maintain_order="left")
    return said.with_columns(authorised=pl.col("broken_rules").is_null())


def _epoch(at: pl.Series, valid: pl.DataFrame) -> pl.Series:
    """In which stretch between two changes of ``valid`` each time lies; null for null."""
    changes = pl.concat([valid["valid_from"], valid["valid_to"]]).drop_nulls().unique().sort()
    epochs = changes.search_sorted(at.fill_null(strategy="zero"), side="right")
    return epochs.cast(pl.Int64).set(at.is_null(), None)

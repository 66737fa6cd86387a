"""What a decision point calls for, by rules: kind of question, risk, emotion, what is missing.

Causal: the context at (conversation, turn t) is made from turns 0..t of that conversation and from
its intent, channel and language; nothing later and no outcome is read. Every distinct message is
read once, all of them as one column; what a conversation has shown so far then follows by running
maxima, sums and last values over its turns.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from simulator import tables
from simulator.judging import signals
from simulator.judging.emotion import ANGRY, SIGNS, UPSET, Mood, counts, feeling, moods
from simulator.judging.quantities import fold

JUDGE = "rules"
# Topics whose answer turns on the customer's own case.
_CASES = ("delivery", "refund_timing", "price_protection", "address_change", "warranty_repair")
# What an agent names may be one of several on offer; what a customer names is theirs.
_ONLY_CUSTOMERS_NAME = ("date", "amount")
_SPEAKERS = ("customer", "agent", "bot")
_KINDS = sorted(signals.RISKS)
_FLAGS = (*signals.RISKS, "serious", "medium", "personal", "strategy", "status")
_ALSO_SHOWN = (
    *("serious", "medium", "personal", "strategy", "status"),
    *("wants_person", "failed", "topic", "score", "thanks"),
)
_SIGNS = {str(i): pattern for i, (_, pattern) in enumerate(SIGNS)} | {
    "marks": "[!?]{2,}|!",
    "capitals": "[A-Z]{4,}|[?？]{2,}",
}


def judge_contexts(
    points: pl.DataFrame, turns: pl.DataFrame, conversations: pl.DataFrame
) -> pl.DataFrame:
    """The contexts of all decision points.

    Args:
        points: table ``decision_points``.
        turns: table ``turns``.
        conversations: table ``conversations``; only ``intent`` is read, where the words of the
            customer name no topic.

    Returns:
        Table ``contexts`` with judge ``rules``, one row a point, in the order of ``points``.
        ``evidence`` is the exact span of a customer's turn that decided the risk (of the gravest
        kind, where it was last said), or else the emotion; null where neither is raised.
        ``distress`` is what ``emotion`` is cut from (:func:`simulator.judging.emotion.distress`).
        ``missing_info`` uses the words order_number, payment_method, date, product, account,
        address, amount, details.
    """
    place = ["conversation_id", "turn"]
    said = (
        turns.join(points, on="conversation_id", how="semi", maintain_order="left")
        .select(*place, "role", pl.col("text").fill_null(""))
        .sort(place)
    )
    customers = pl.col("role") == "customer"
    messages = _read(said.filter(customers)["text"].unique())
    asked_again = said.filter(pl.col("role").is_in(["agent", "bot"]))["text"].unique()
    heard = (
        said.with_columns(
            pl.when(customers).then("text").alias("said"), customers.alias("customer")
        )
        .join(messages, left_on="said", right_on="text", how="left", maintain_order="left")
        .join(_named_by_agents(asked_again), on="text", how="left", maintain_order="left")
    )
    intents = conversations.select("conversation_id", pl.col("intent").alias("topic_by_intent"))
    so_far = (
        points.select(place)
        .join(_so_far(heard), on=place, how="left", maintain_order="left")
        .join(_by_intent(intents), on="conversation_id", how="left", maintain_order="left")
    )
    return tables.conform("contexts", _contexts(so_far))


def _read(texts: pl.Series) -> pl.DataFrame:
    """What each customer message shows by itself: one row a distinct text, in column ``text``."""
    risky, folded = pl.col("risky").str, pl.col("folded").str

    def shows(text: pl.expr.string.ExprStringNameSpace, pattern: str) -> pl.Expr:
        return text.contains(signals.in_column(pattern))

    topics = [
        pl.when(shows(risky, words)).then(pl.lit(topic))
        for topic, (words, _) in signals.TOPICS.items()
    ]
    heard = signals.heard_all(texts).with_columns(texts.alias("text"))
    found = heard.lazy().select(
        "text",
        "plain",
        "folded",
        "risky",
        *(shows(risky, pattern).alias(kind) for kind, pattern in signals.RISKS.items()),
        *(shows(folded, pattern).alias(f"{item}_said") for item, pattern in signals.NAMED.items()),
        shows(risky, signals.SERIOUS_DISPUTE).alias("serious"),
        shows(risky, signals.MEDIUM).alias("medium"),
        shows(risky, signals.WANTS_PERSON).alias("wants_person"),
        folded.count_matches(signals.in_column(signals.FAILED_AGAIN)).alias("failed"),
        shows(folded, signals.PERSONAL).alias("personal"),
        shows(folded, signals.STRATEGY).alias("strategy"),
        shows(folded, signals.STATUS).alias("status"),
        pl.coalesce(topics).alias("topic"),
        **counts("plain", "folded"),
    )
    grave = [kind for kind in signals.RISKS if kind in signals.HIGH]
    read = found.with_columns(
        (pl.col("serious") & pl.col("money_dispute")).alias("serious"),
        pl.coalesce(pl.when(kind).then(pl.lit(kind)) for kind in grave).alias("grave"),
        pl.when("money_dispute").then(pl.lit("money_dispute")).alias("money"),
        **moods(),
    ).collect()
    sign = pl.coalesce(
        pl.col("sign").cast(pl.String()),
        pl.when(pl.col("n_exclaimed") > 0).then(pl.lit("marks")).otherwise(pl.lit("capitals")),
    )
    # Folded text has no capitals left to show.
    read = read.with_columns(
        pl.when(sign == "capitals").then("plain").otherwise("folded").alias("felt")
    )
    spans = {
        "grave_span": _spans(read, "risky", pl.col("grave"), signals.RISKS),
        "money_span": _spans(read, "risky", pl.col("money"), signals.RISKS),
        "mood_span": _spans(read, "felt", pl.when(pl.col("score") >= 1.0).then(sign), _SIGNS),
    }
    read = read.with_columns(pl.Series(name, words, pl.String()) for name, words in spans.items())
    return read.select(
        "text", *signals.RISKS, *_ALSO_SHOWN, *(f"{item}_said" for item in signals.NAMED), *spans
    )


def _spans(
    read: pl.DataFrame, text: str, kind: pl.Expr, patterns: Mapping[str, str]
) -> list[str | None]:
    found = read.select("plain", pl.col(text).alias("folded"), kind.alias("kind"))
    return signals.spans(found, patterns)


def _named_by_agents(texts: pl.Series) -> pl.DataFrame:
    named = [
        pl.col("folded").str.contains(signals.in_column(pattern)).alias(f"{item}_said_by_agent")
        for item, pattern in signals.NAMED.items()
        if item not in _ONLY_CUSTOMERS_NAME
    ]
    return (
        signals.heard_all(texts, risks=False)
        .with_columns(texts.alias("text"))
        .lazy()
        .select("text", *named)
        .collect()
    )


def _so_far(heard: pl.DataFrame) -> pl.DataFrame:
    """What a conversation has shown up to each of its turns."""
    conversation = "conversation_id"

    def ever(shown: pl.Expr) -> pl.Expr:
        return shown.fill_null(False).cast(pl.Int8).cum_max().over(conversation).cast(pl.Boolean)

    named = [
        ever(
            pl.col(f"{item}_said")
            if item in _ONLY_CUSTOMERS_NAME
            else pl.coalesce(
                pl.when("customer").then(f"{item}_said"),
                pl.when(~pl.col("customer") & pl.col("role").is_in(_SPEAKERS)).then(
                    f"{item}_said_by_agent"
                ),
            )
        ).alias(f"{item}_named")
        for item in signals.NAMED
    ]
    n_heard = pl.col("customer").cum_sum().over(conversation)
    wanted_at = pl.when("wants_person").then(n_heard).forward_fill().over(conversation)
    first_topic = pl.col("topic").drop_nulls().first().over(conversation)
    spans = [
        pl.col(f"{name}_span").forward_fill().over(conversation)
        for name in ("grave", "money", "mood")
    ]
    return (
        heard.lazy()
        .select(
            conversation,
            "turn",
            *(ever(pl.col(flag)).alias(flag) for flag in _FLAGS),
            *named,
            *spans,
            # Asked for in the last two messages: an agent's answer in between may have settled it.
            (n_heard - wanted_at < 2).fill_null(False).alias("wants_person"),
            pl.col("failed").fill_null(0).cum_sum().over(conversation).alias("failed"),
            pl.when(pl.col("topic").is_not_null().cum_max().over(conversation))
            .then(first_topic)
            .alias("topic"),
            pl.col("thanks").forward_fill().over(conversation).alias("thanked"),
            pl.Series("feeling", _feelings(heard), pl.Float64()),
        )
        .collect()
    )


def _feelings(heard: pl.DataFrame) -> list[float]:
    found: list[float] = []
    of, now, answered = None, 0.0, False
    for conversation, role, score, thanks in heard.select(
        "conversation_id", "role", "score", "thanks"
    ).iter_rows():
        if conversation != of:
            of, now, answered = conversation, 0.0, False
        if role == "customer":
            now = feeling(now, Mood(score, thanks), answered)
        elif role in _SPEAKERS:
            answered = True
        found.append(now)
    return found


def _by_intent(intents: pl.DataFrame) -> pl.DataFrame:
    named = {intent: _topic(intent) for intent in intents["topic_by_intent"].unique() if intent}
    return intents.with_columns(
        pl.col("topic_by_intent").replace_strict(named, default=None, return_dtype=pl.String())
    )


def _topic(intent: str) -> str | None:
    words = fold(intent.replace("_", " ").replace("-", " "))
    for topic, (pattern, _) in signals.TOPICS.items():
        if intent == topic or signals.in_text(pattern).search(words):
            return topic
    return None


def _contexts(so_far: pl.DataFrame) -> pl.DataFrame:
    felt = pl.col("feeling").fill_null(0.0)
    emotion = (
        pl.when(felt >= ANGRY).then(pl.lit("angry")).when(felt >= UPSET).then(pl.lit("upset"))
    ).otherwise(pl.lit("calm"))
    high = pl.any_horizontal(*sorted(signals.HIGH), "serious")
    own_money = pl.col("medium") & pl.col("personal")
    risk = (
        pl.when(high)
        .then(pl.lit("high"))
        .when(pl.col("money_dispute") | own_money | (felt >= ANGRY))
        .then(pl.lit("medium"))
        .otherwise(pl.lit("low"))
    )
    judged = so_far.with_columns(
        pl.col(*_FLAGS).fill_null(False),
        pl.coalesce("topic", "topic_by_intent").alias("topic"),
    ).with_columns(
        emotion.alias("emotion"),
        risk.alias("risk"),
        felt.alias("distress"),
    )
    low, own = pl.col("risk") == "low", pl.col("personal")
    # Somebody who asks how returns work needs no order number; who asks for their own refund does.
    asks = own | ~low
    missing = [
        pl.when(asks & pl.col("topic").is_in(topics) & ~pl.col(f"{item}_named")).then(pl.lit(item))
        for item in signals.NAMED
        if (topics := [name for name, (_, needs) in signals.TOPICS.items() if item in needs])
    ]
    told = pl.any_horizontal("product_named", "order_number_named", "account_named")
    vague = pl.col("topic").is_null() & ~pl.col("thanked").fill_null(True) & own & low & ~told
    question = (
        pl.when((pl.col("risk") == "high") | (pl.col("emotion") == "angry") | pl.col("strategy"))
        .then(pl.lit("strategy"))
        .when(
            (pl.col("risk") == "medium")
            | (own & (pl.col("topic").is_in(_CASES) | pl.col("status")).fill_null(False))
        )
        .then(pl.lit("mixed"))
        .otherwise(pl.lit("knowledge"))
    )
    return judged.with_columns(
        pl.concat_list(*missing, pl.when(vague).then(pl.lit("details")))
        .list.drop_nulls()
        .alias("missing_info")
    ).with_columns(
        pl.lit(JUDGE).alias("judge"),
        question.alias("question_kind"),
        pl.concat_list(pl.when(kind).then(pl.lit(kind)) for kind in _KINDS)
        .list.drop_nulls()
        .alias("risk_kinds"),
        (
            (pl.col("risk") == "high")
            | pl.col("wants_person").fill_null(False)
            | (pl.col("failed").fill_null(0) >= 2)
        ).alias("needs_human"),
        (pl.col("missing_info").list.len() == 0).alias("info_sufficient"),
        pl.coalesce(
            "grave_span",
            "money_span",
            pl.when(pl.col("emotion") != "calm").then("mood_span"),
        ).alias("evidence"),
    )

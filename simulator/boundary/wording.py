"""Words for a point where the incumbent's were wrong: its own from elsewhere, or the policy's."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import polars as pl

from simulator.boundary.questions import normal
from simulator.boundary.readings import POINT
from simulator.candidates.policy import in_force
from simulator.retrieval import Retriever
from simulator.sentences import sentences
from simulator.streams import stable_hash

# Words that vary: fewer in one place than this, and a wider one is looked at.
_FEWEST = 3
_LONGEST = 3
# Articles about the same matter as a wording.
_NEAR = 3
_NAMED = re.compile(r"\[\w+:[0-9a-f]+\]|\S*\d\S*|[A-Z][\w'’-]*", re.ASCII)
_WORD = re.compile(r"\w+", re.ASCII)
_AGAIN = re.compile(r"\bagain\b|再|多次|這麼久|这么久|重复|重複", re.IGNORECASE)
# What an agent says of this very case, and a model that has seen nothing must not.
_LOOKED_UP = re.compile(
    r"\b(?:i(?: have|['’]ve) (?:found|looked|checked|noted|seen)|"
    r"i (?:can )?see (?:that|here|you|your|the (?:order|payment|parcel|refund))|"
    r"in front of (?:me|us)|looked (?:it )?up|as (?:i|we) said|thank you for confirming|"
    r"according to)\b|"
    r"已(?:經|经)?(?:查|看|找|收|記|记|登)|(?:信息|資料|资料|紀錄|记录)(?:在我|已)|您說的是|您说的是|"
    r"(?:訂單|订单)[^。！？]{0,24}在我(?:這|这|手)|"
    r"我(?:這邊|这边|這裡|这里)?(?:有|能|可以)?(?:看到|看見|看见|查到)",
    re.IGNORECASE,
)
_DONE = (
    r"(?:cancell?ed|refunded|issued|processed|changed|updated|corrected|extended|arranged|booked|"
    r"ordered|sent|shipped|credited|reset|removed|added|closed|reopened|registered|requested|paid|"
    r"blocked|unlocked|initiated|submitted|created|applied|approved|waived|replaced|reserved|"
    r"transferred (?:the|your) (?:refund|money|amount|payment|sum))"
)
# What an agent says that it has done; a hand-over is done by saying so.
_ACTED = re.compile(
    rf"\b(?:i|we)(?: have|['’]ve| had)?(?: now| just| already)* {_DONE}\b|"
    rf"(?<!\bif )(?<!\bonce )(?<!\bwhen )(?<!\bafter )\byour [\w ]{{1,30}}(?:has|have|was|were)"
    rf"(?: now| just| already)*(?: been)?(?: now| just| already)* {_DONE}\b|"
    r"已(?:經|经)?(?:為|为|幫|帮|替)您(?!轉|转)|"
    r"(?:為|为|幫|帮|替)您[^。，！？]{0,8}(?:取消|退款|修改|更改|更新|辦理|办理|處理|处理|安排|申請|申请|補發|补发)好?了|"
    r"您的[^。，！？]{0,12}已(?:經|经)?(?:取消|退款|退回|修改|更改|更新|處理|处理|補發|补发)",
    re.IGNORECASE,
)
# What only the customer who was answered has told.
_TOLD = re.compile(
    r"(?<!\bwhat )\byou (?:have )?(?:said|mentioned|told|paid|wrote|ordered|bought)\b|"
    r"\bi see, (?:it is|you)\b|\bthank(?:s| you) for (?:giving|sending|telling|the)\b|"
    r"您(?:當時|当时)?(?:是用|是在|提到|提供的|剛才|刚才)|(?:謝謝|谢谢|感謝|感谢)您(?:確認|确认|提供|告知)",
    re.IGNORECASE,
)


class Words(NamedTuple):
    """Something to say, what it does, and whose words it is: see table ``boundary_cases``."""

    text: str
    action: str
    source: str


class _Good(NamedTuple):
    words: Words
    point: tuple[str, int]
    named: frozenset[str]
    asked_for: str | None
    intent: str | None
    stock: bool


class Borrowed:
    """The incumbent's own good replies, to be said where none was.

    A reply is good where its action was called for, it promises nothing risky, and it does not
    sound wrong. One that names something (a number, a name) is borrowed only where the customer or
    the article named it too, and one that was said in one conversation alone only where the intent
    is the same: what nobody said twice may be about that one case. None is borrowed that claims
    something done or seen in its own case, or repeats what its own customer told.

    Args:
        points: of :func:`simulator.boundary.readings.called_for`, with ``dev``; replies from the
            dev part are not lent.
        replies: of :func:`simulator.boundary.readings.replies_read`, the incumbent's.
    """

    def __init__(self, points: pl.DataFrame, replies: pl.DataFrame) -> None:
        self._shelves: dict[tuple[Any, ...], list[_Good]] = defaultdict(list)
        for row, good in _good(points, replies):
            for key in _places(good.words.action, row):
                self._shelves[key].append(good)

    def words(
        self, action: str, row: Mapping[str, Any], seen: str, wanted: tuple[str, ...] = ()
    ) -> Words | None:
        """Words that do ``action`` at a point, or null where the incumbent has none that fit.

        Args:
            action: what is called for; an answer is borrowed within the same article only.
            row: of ``points``.
            seen: all that the prompt of the point says.
            wanted: of a clarifying reply: what it has to ask for, any of them.
        """
        names = _words(seen)
        mine = (row["conversation_id"], row["turn"])
        best: list[_Good] = []
        for key in _places(action, row):
            fitting = {
                normal(good.words.text): good
                for good in self._shelves.get(key, [])
                if good.named <= names
                and good.point != mine
                and not (row["n_th"] == 0 and _AGAIN.search(good.words.text))
                and (not wanted or good.asked_for in wanted)
                and (good.stock or (good.intent is not None and good.intent == row["intent"]))
            }
            if len(fitting) > len(best):
                best = list(fitting.values())
            if len(best) >= _FEWEST:
                break
        if not best:
            return None
        # By the point's own hash: the same at every export, and not the same everywhere.
        drawn = int(stable_hash([f"{mine[0]}\x1f{mine[1]}\x1f{action}"])[0])
        return sorted(best, key=lambda good: good.point)[drawn % len(best)].words


def _good(points: pl.DataFrame, replies: pl.DataFrame) -> Iterator[tuple[dict[str, Any], _Good]]:
    held = replies.drop("candidate").join(
        points.filter(~pl.col("dev")), on=POINT, suffix="_of_point", maintain_order="right"
    )
    hedged = (pl.col("action") == "answer") & (pl.col("commitment") == "hedged")
    well = held.filter(
        (pl.col("action") == pl.col("called_for"))
        & ((pl.col("commitment") == "none") | hedged)
        & ~pl.col("risky_promise").fill_null(False)
        & ~pl.col("over_answer").fill_null(False)
        & (pl.col("tone").fill_null("apt") == "apt")
    )
    twice = stock(replies)
    for row in well.iter_rows(named=True):
        if not answers_it(row, row):
            continue
        text = _question(row["reply"]) if row["action"] == "clarify" else row["reply"].strip()
        if len(sentences(text)) > _LONGEST or claims(text) or repeats(text):
            continue
        source = f"incumbent {row['conversation_id']}/{row['turn']}"
        words = Words(text, row["action"], source)
        point = (row["conversation_id"], row["turn"])
        yield (
            row,
            _Good(
                words,
                point,
                named(text),
                row["asked_for"],
                row["intent"],
                row["reply"] in twice,
            ),
        )


def stock(replies: pl.DataFrame) -> frozenset[str]:
    """Replies that were said in two conversations or more."""
    said = replies.group_by("reply").agg(pl.col("conversation_id").n_unique().alias("n"))
    return frozenset(said.filter(pl.col("n") > 1)["reply"])


def _question(text: str) -> str:
    """The sentences of a clarifying reply that ask; all where none has a question mark."""
    asking = [one for one in sentences(text) if _asks(one)]
    return " ".join(asking) if asking else text.strip()


def _asks(sentence: str) -> bool:
    return sentence.rstrip("\"'”’」）)").endswith(("?", "？"))


def answers_it(reply: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    """Whether a reply that answers says what the article for the customer's words holds.

    True of replies that do something else, and where there is no knowledge base to tell by.
    """
    if reply["action"] != "answer" or row["covered"] is None:
        return True
    return bool(row["covered"]) and reply["cited_article"] in row["articles"]


def fits_in(text: str, seen: str) -> bool:
    """Whether ``text`` can be said where ``seen`` is all that is known.

    It names nothing else, and claims nothing of a case that was looked up.
    """
    return named(text) <= _words(seen) and not claims(text)


def claims(text: str) -> bool:
    """Whether ``text`` says that something was done, or seen, in this very case.

    >>> claims("I have cancelled the order for you.")
    True
    """
    return _LOOKED_UP.search(text) is not None or _ACTED.search(text) is not None


def repeats(text: str) -> bool:
    """Whether a sentence of ``text`` that asks nothing repeats what its customer told.

    >>> repeats("You paid by card. Which order is it?")
    True
    """
    return any(_TOLD.search(one) and not _asks(one) for one in sentences(text))


def _words(seen: str) -> frozenset[str]:
    return frozenset(_WORD.findall(seen.lower()))


def named(text: str) -> frozenset[str]:
    """What ``text`` names, in lower case: numbers, and words in capitals within a sentence.

    In Chinese every Latin word counts.
    """
    found: set[str] = set()
    for sentence in sentences(text):
        for match in _NAMED.finditer(sentence):
            begins = match.start() == 0 and not re.search(r"\d", match[0])
            if begins or match[0] in ("I", "I'm", "I’m", "I'll", "I’ll", "I'd", "I've"):
                continue
            found.update(_WORD.findall(match[0].lower()))
    return frozenset(found)


def _places(action: str, row: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Where replies of a kind are looked for, the nearest place first."""
    language, intent = row["language"], row["intent"]
    depth, mood = row["n_th"] == 0, row["emotion"] not in (None, "calm")
    if action == "answer":
        return [(action, language, intent, "article", row["articles"][0])] if row["covered"] else []
    places: list[tuple[Any, ...]] = [
        (action, language, mood, depth, intent),
        (action, language, mood, depth),
    ]
    return [*places, (action, language, mood)]


class Mandated:
    """The policy's own wordings: where one is what there is to say.

    Args:
        policy: table ``commitments_policy``.
        knowledge: table ``knowledge``.
    """

    def __init__(self, policy: pl.DataFrame, knowledge: pl.DataFrame) -> None:
        worded = policy.filter(pl.col("mandated_wording").is_not_null())
        self._rules = worded.sort("rule_id").to_dicts()
        self._retriever = Retriever(knowledge)
        self._intents = dict(knowledge.select("article_id", "intent").iter_rows())
        self._near: dict[tuple[str, str | None, datetime | None], frozenset[str]] = {}

    def fitting(self, row: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The rules whose wording answers a point.

        A rule of the conversation's intent, in its language, valid then, that binds a bot; the
        article found for the customer's last words is among those nearest to the wording.
        """
        if row["intent"] is None or row["article"] is None:
            return []
        rules = in_force(self._rules, row["language"], row["at"])
        return [
            dict(rule)
            for rule in rules
            if rule["intent"] == row["intent"]
            and row["article"] in self._articles(rule, row["language"], row["at"])
        ]

    def _articles(
        self, rule: Mapping[str, Any], language: str | None, at: datetime | None
    ) -> frozenset[str]:
        key = (rule["rule_id"], language, at)
        if key not in self._near:
            hits = self._retriever.top(rule["mandated_wording"], language, at, _NEAR)
            self._near[key] = frozenset(
                hit.article_id for hit in hits if self._intents[hit.article_id] == rule["intent"]
            )
        return self._near[key]

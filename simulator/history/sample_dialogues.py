"""Writes the dialogues of the synthetic operation, and the truth about each decision point.

A dialogue follows its plan (how many decision points, where the customer grows angrier or reveals
a high-risk fact, where the agent escalates or promises too much). The truth about a point is kept
while the customer's words are put together, from what they have said up to there and nothing later.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple, TypeVar

import polars as pl

from simulator import tables
from simulator.history.sample_demand import NEVER
from simulator.history.sample_wordings import (
    MOODS,
    Article,
    Line,
    Sentence,
    Wordings,
    articles,
    content,
    mandated,
    tells,
    wordings,
)
from simulator.retrieval import Retriever
from simulator.streams import Streams

_DRAWS = 256
_T = TypeVar("_T")


class Written(NamedTuple):
    """Tables ``turns`` and ``truth_contexts``, and every sentence that an agent said."""

    turns: pl.DataFrame
    truth_contexts: pl.DataFrame
    spoken: list[tuple[str, Sentence]]


def write(visits: pl.DataFrame, retriever: Retriever, streams: Streams) -> Written:
    """Write a dialogue for each of ``visits`` (:func:`..sample_outcomes.visits`, all answered).

    Args:
        visits: what to write about.
        retriever: finds articles of the sample's knowledge base, as the agents do.
        streams: the sample's random numbers.
    """
    names = visits["turns_name"].to_numpy()
    draws = [streams.uniform(names, "sample.words", attempt=k) for k in range(_DRAWS)]
    turns: list[dict[str, Any]] = []
    truth: list[dict[str, Any]] = []
    spoken: dict[tuple[str, Sentence], None] = {}
    for i, row in enumerate(visits.iter_rows(named=True)):
        dialogue = _Dialogue(row, retriever, _Dice(draw[i] for draw in draws))
        dialogue.run()
        turns += dialogue.timed()
        truth += dialogue.truth
        spoken.update(dict.fromkeys((row["language"], one) for one in dialogue.spoken))
    return Written(
        tables.build("turns", turns), tables.build("truth_contexts", truth), list(spoken)
    )


class _Dice:
    """The uniforms of one dialogue, one after the other."""

    def __init__(self, draws: Iterable[float]) -> None:
        self._draws = iter(draws)

    def under(self, chance: float) -> bool:
        return next(self._draws) < chance

    def one(self, choices: Sequence[_T]) -> _T:
        return choices[int(next(self._draws) * len(choices))]

    def number(self, low: int, high: int) -> int:
        return low + int(next(self._draws) * (high - low))


class _Dialogue:
    """One dialogue as it is written."""

    def __init__(self, plan: dict[str, Any], retriever: Retriever, dice: _Dice) -> None:
        self.plan, self.retriever, self.dice = plan, retriever, dice
        self.words: Wordings = wordings(plan["language"])
        self.about = content("intents")[plan["intent"]]
        self.slots = _slots(self.words, dice)
        self.mandated = _wordings_of(plan["intent"], plan["language"])
        self.turns: list[dict[str, Any]] = []
        self.truth: list[dict[str, Any]] = []
        self.spoken: list[Sentence] = []
        self.mood = plan["mood"]
        self.known: set[str] = set()
        self.risk_kinds: list[str] = list(self.about.get("risk_kinds", ()))
        self.high = self.about["risk"] == "high"
        self.wants_human = False
        self.soothed = False
        self.asked: str | None = None
        self.action: str | None = None
        self.used: set[str] = set()

    def run(self) -> None:
        """All decision points: the customer's words, the truth, the agent's reply."""
        last = self.plan["n_points"] - 1
        busy = {self.plan[name] for name in ("grows_at", "reveals_at", "asks_human_at")}
        thanks = (
            last > 0
            and self.plan["escalates_at"] == NEVER
            and self.plan["resolved"]
            and not self.high
            and last not in busy
            and self.dice.under(0.6)
        )
        for point in range(last + 1):
            # Nobody thanks for a question that is still open.
            ending = thanks and point == last and self.action == "answer"
            self._customer(point, ending)
            self._judge(point, ending)
            self._agent(point, ending, final=point == last)

    def _customer(self, point: int, ending: bool) -> None:
        dice, plan, parts = self.dice, self.plan, list[str]()
        if plan["grows_at"] == point:
            self.mood = min(self.mood + 1, 2)
        if ending:
            self.mood = 0
            parts.append(self._say(self.words.said["thanks"]))
        elif point == 0:
            asks = self.words.asks[plan["intent"]][MOODS[self.mood]]
            greeting = dice.one(self.words.greetings) if self.mood < 2 else ""
            ask = self._say(asks)
            parts.append(
                greeting + ask if greeting.endswith((", ", "，")) else greeting + _capital(ask)
            )
            parts += [
                self._say(self.words.details[item])
                for item in self.about["needs"]
                if item not in self.known and dice.under(0.22)
            ]
        else:
            parts += self._reaction(point)
        second = []
        if plan["reveals_at"] == point:
            second.append(self._say(self.words.said["reveals"]))
        elif not ending and dice.under(0.12):
            second.append(self._say(self.words.said["second"]))
        if (second and not parts) or (second and dice.under(0.3)):
            parts, second = parts + second, []
        self._turn("customer", self.words.joined(parts))
        if second:
            self._turn("customer", self.words.joined(second))

    def _reaction(self, point: int) -> list[str]:
        dice, plan, parts = self.dice, self.plan, list[str]()
        if plan["grows_at"] == point:
            parts.append(self._say(self.words.said[MOODS[self.mood]]))
        elif self.mood and self.action in ("answer", "refuse") and dice.under(0.3):
            parts.append(self._say(self.words.said["not_helped"]))
        missing = [item for item in self.about["needs"] if item not in self.known]
        told = [item for item in missing if item == self.asked or dice.under(0.3)]
        parts += [self._say(self.words.details[item]) for item in told]
        if plan["asks_human_at"] == point:
            self.wants_human = True
            parts.append(self._say(self.words.said["human"]))
        if not parts or dice.under(0.35):
            parts.append(self._say(self.words.asks[plan["intent"]]["follow"]))
        return parts

    def _judge(self, point: int, ending: bool) -> None:
        """The truth at this point, from what the customer has said so far."""
        missing = [] if ending else [i for i in self.about["needs"] if i not in self.known]
        kind = "strategy" if self.high else self.about["question_kind"]
        self.truth.append(
            {
                "conversation_id": self.plan["conversation_id"],
                "turn": len(self.turns) - 1,
                "question_kind": kind,
                "risk": "high" if self.high else self.about["risk"],
                "risk_kinds": sorted(set(self.risk_kinds)),
                "needs_human": self.high or self.wants_human,
                "info_sufficient": not missing,
                "missing_info": missing,
                "emotion": MOODS[self.mood],
            }
        )

    def _agent(self, point: int, ending: bool, *, final: bool) -> None:
        agent, by_intent, dice = self.words.agent, self.words.by_intent, self.dice
        intent, over = self.plan["intent"], point in self.plan["over"]
        missing = self.truth[-1]["missing_info"]
        self.asked, action = None, "answer"
        said: list[Sentence] = []
        if self.plan["escalates_at"] == point:
            action = "escalate"
            if self.mood and dice.under(0.6):
                said.append(dice.one(agent["soothe"]))
            said.append(dice.one(agent["escalate"]))
            said += [dice.one(agent["promise"])] if over else []
        elif ending:
            said.append(dice.one(agent["close"]))
            said += [dice.one(agent["promise"])] if over else []
        elif over:
            said += self._acknowledged()
            flat = agent["promise"] if dice.under(0.2) else by_intent["flat"][intent]
            said.append(dice.one(flat))
            said += self._tail()
        elif (
            self.mood
            and not self.soothed
            and dice.under((0.75 if self.mood == 2 else 0.4) * (0.5 if final else 1))
        ):
            action, self.soothed = "soothe", True
            said += [dice.one(agent["soothe"]), dice.one(agent["soothe_tail"])]
        elif missing and dice.under(0.25 if final else 0.85):
            action, self.asked = "clarify", dice.one(missing)
            said += self._acknowledged() if dice.under(0.5) else []
            said.append(dice.one(by_intent["clarify"][self.asked]))
        elif dice.under(0.5 if self.high else 0.06):
            action = "refuse"
            said.append(dice.one(agent["refuse"]))
            said += self._tail()
        else:
            said += self._acknowledged() + self._answer() + self._tail()
        self.action = action
        said = [one.filled(self.slots) for one in dict.fromkeys(said)]
        self.spoken += said
        self._turn("agent", self.words.joined([one.text for one in said]), action)

    def _answer(self) -> list[Sentence]:
        dice, intent = self.dice, self.plan["intent"]
        kept = [
            one
            for one in self.words.by_intent["kept"].get(intent, ())
            if tells(one.text) <= self.known
        ]
        if kept and dice.under(0.12):
            return [dice.one(kept)]
        if self.mandated and dice.under(0.18):
            return list(dice.one(self.mandated))
        found = self._article() if dice.under(0.6) else None
        if found is not None:
            start = dice.number(0, max(1, len(found.hedged) - 1))
            return list(found.hedged[start : start + 2])
        own = self.words.by_intent["hedged"][intent]
        said = [dice.one(own)]
        if dice.under(0.35):
            said.append(dice.one(own))
        # What an agent may promise and a bot may not; never where somebody was hurt.
        if not self.high and dice.under(0.06):
            said.append(dice.one(self.words.agent["allowed"]))
        return said

    def _article(self) -> Article | None:
        """What the agent finds in the knowledge base for the customer's last words."""
        hits = self.retriever.top(
            self.turns[-1]["text"], self.words.language, self.plan["started_at"]
        )
        found = _by_id()[hits[0].article_id] if hits else None
        return found if found is not None and found.intent == self.plan["intent"] else None

    def _acknowledged(self) -> list[Sentence]:
        known = [
            one
            for one in self.words.agent["acknowledge_known"]
            if (told := tells(one.text)) and told <= self.known
        ]
        if known and self.dice.under(0.5):
            return [self.dice.one(known)]
        return [self.dice.one(self.words.agent["acknowledge"])] if self.dice.under(0.7) else []

    def _tail(self) -> list[Sentence]:
        return [self.dice.one(self.words.agent["tail"])] if self.dice.under(0.55) else []

    def _say(self, lines: Sequence[Line]) -> str:
        """A line not yet used in this dialogue, with what it tells and reveals taken note of."""
        fresh = [one for one in lines if one.text not in self.used] or lines
        chosen = self.dice.one(fresh)
        self.used.add(chosen.text)
        self.known |= chosen.tells
        if chosen.reveals:
            self.high = True
            self.risk_kinds += chosen.reveals
        return chosen.text.format_map(self.slots)

    def _turn(self, role: str, text: str, action: str | None = None) -> None:
        self.turns.append(
            {
                "conversation_id": self.plan["conversation_id"],
                "turn": len(self.turns),
                "role": role,
                "text": text,
                "action": action,
            }
        )

    def timed(self) -> list[dict[str, Any]]:
        """The turns with ``sent_at``: the handle time shared over replies by their length.

        In an e-mail what is shared is the time that so many replies take.
        """
        start: datetime = self.plan["started_at"]
        replies = [turn["text"] for turn in self.turns if turn["role"] == "agent"]
        length = sum(map(len, replies))
        if self.plan["channel"] == "email":
            wait, active = 0.0, self.plan["reply_s"] * len(replies)
        else:
            wait = self.plan["wait_s"]
            active = self.plan["handle_time_s"] - content("desk")["work"]["wrap_up_s"]
        before, after, gone = 0.0, 0.0, 0
        for i, turn in enumerate(self.turns):
            if turn["role"] == "agent":
                gone += len(turn["text"])
                at = before = wait + active * gone / length
            elif i == 0:
                at = 0.0
            else:
                following = next(t for t in self.turns[i:] if t["role"] == "agent")
                after = wait + active * (gone + len(following["text"])) / length
                at = before + (after - before) * 0.3
                before = at
            turn["sent_at"] = start + timedelta(milliseconds=round(at * 1000))
        return self.turns


@cache
def _by_id() -> dict[str, Article]:
    return {article.article_id: article for article in articles()}


def _slots(words: Wordings, dice: _Dice) -> dict[str, str]:
    """The facts of one customer's case."""
    slots = {name: dice.one(choices) for name, choices in words.slots.items()}
    money = f"{dice.number(9, 480)}.{dice.one(('00', '50', '90', '95', '99'))}"
    return {
        **slots,
        "order": f"SD{dice.number(100_000, 1_000_000)}",
        "account": f"user{dice.number(1000, 100_000)}",
        "number": str(dice.number(2, 240)),
        "amount": f"${money}" if words.language == "en" else f"{money} 美元",
    }


def _wordings_of(intent: str, language: str) -> list[tuple[Sentence, ...]]:
    said = mandated(language)
    return [
        said[rule["id"]]
        for rule in content("policy")["rule"]
        if rule.get("intent") == intent and rule["id"] in said
    ]


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]

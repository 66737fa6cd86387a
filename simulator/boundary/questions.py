"""Customers' words compared: which ask the same, and which ask nothing at all."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from simulator.retrieval import tokens
from simulator.sentences import sentences

_ALIKE = 0.8
# So many different texts are compared pair by pair; beyond that only equal ones are the same.
_MOST = 4_000
# A run of letters and digits with a digit in it: an order, an account, an amount, a date.
_NUMBER = re.compile(r"\[(?:email|phone):[0-9a-f]+\]|[a-z]*\d[\w.,:/-]*\w|[a-z]*\d", re.IGNORECASE)
_GREETING = re.compile(
    r"^(?:hi|hello|hey|good (?:morning|afternoon|evening|day)|dear \w+|excuse me)(?: there| all)?"
    r"[\s,.!]+|^(?:您好|你好|哈囉|哈喽|請問一下|请问一下|不好意思|請問|请问|親|亲|嗨)[，,。!！\s]*",
    re.IGNORECASE,
)
_COURTESY = re.compile(
    r"\b(?:thank(?:s| you)|cheers|great|perfect|good to know|have a (?:nice|good|great)|bye|"
    r"that (?:helps|is clear|was all)|all clear|no problem|okay|ok|got it)\b|"
    r"謝謝|谢谢|感謝|感谢|多謝|多谢|再見|再见|清楚了|了解了|知道了|明白了|好的|辛苦了|沒問題|没问题",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"[?？]|\b(?:but|still|not|can|could|when|where|why|how|what|which|please)\b|嗎|吗|呢|怎|麼|么|"
    r"但|還|还|沒|没|不|請|请",
    re.IGNORECASE,
)
# As :func:`normal` leaves them: "can't" is "can t".
_NOT = re.compile(r"\b(?:not?|never|cannot|\w+n t|can t)\b|[不沒没未無无別别]")
_PUNCTUATION = re.compile(r"[^\w\s#]+")


def normal(text: str) -> str:
    """``text`` as far as it says what is asked: case, greetings, numbers and marks folded.

    >>> normal("Hello there. Where is order SD831452?")
    'where is order #'
    """
    text = text.strip()
    while (shorter := _GREETING.sub("", text, count=1)) != text:
        text = shorter.strip()
    return " ".join(_PUNCTUATION.sub(" ", _NUMBER.sub("#", text.lower())).split())


def is_courtesy(text: str) -> bool:
    """Whether every sentence only thanks, greets or takes leave: there is nothing to decide.

    >>> is_courtesy("Good to know. Have a nice day!")
    True
    >>> is_courtesy("Thanks. And when will it arrive?")
    False
    """
    said = sentences(text)
    return bool(said) and all(
        (_COURTESY.search(one) is not None and _ASKS.search(one.replace("沒問題", "")) is None)
        or not normal(one)
        for one in said
    )


def asks_or_gives(text: str) -> bool:
    """Whether ``text`` asks a question or holds a number (of an order, a date, an amount)."""
    return "?" in text.replace("？", "?") or "#" in normal(text)


def stands_alone(text: str, first: bool) -> bool:
    """Whether ``text`` asks something that can be compared without what was said before it."""
    return first or (_ASKS.search(text) is not None and "?" in text.replace("？", "?"))


def groups(texts: Sequence[str]) -> list[int]:
    """A number for each text, the same for those that ask the same.

    Equal ones after :func:`normal`, and those that share at least .8 of their words (Jaccard) with
    the first of a group and say "not" as often.
    """
    normals = [normal(text) for text in texts]
    firsts = list(dict.fromkeys(normals))
    if len(firsts) > _MOST:
        number = {text: place for place, text in enumerate(firsts)}
        return [number[text] for text in normals]
    number, heads = {}, list[tuple[frozenset[str], int]]()
    holding: dict[str, list[int]] = defaultdict(list)
    for text in firsts:
        words = frozenset([*tokens(text), *(word for word in text.split() if word.isascii())])
        n_not = len(_NOT.findall(text))
        near = {place for word in words for place in holding[word]}
        alike = (
            place
            for place in sorted(near)
            if heads[place][1] == n_not and _overlap(words, heads[place][0]) >= _ALIKE
        )
        place = next(alike, None)
        if place is None:
            place = len(heads)
            heads.append((words, n_not))
            for word in words:
                holding[word].append(place)
        number[text] = place
    return [number[text] for text in normals]


def _overlap(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other) if one or other else 1.0

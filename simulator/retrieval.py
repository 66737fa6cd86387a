"""Retrieval of knowledge articles by BM25, as a live system could have done it at that moment.

Why one index for each set of articles valid at a time: with one index over all articles, an
article of next month would change the weights of words, and so the replies, of today.
Chinese has no spaces: its tokens are character bigrams.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import bm25s
import numpy as np
import polars as pl

_WORD = re.compile(r"[a-z0-9]+|[㐀-鿿豈-﫿]+")
_STOP = frozenset(
    "a an and are as at be but by can could do does for from had has have how i if in is it its "
    "me my no not of on or our please so that the their them there they this to us was we were "
    "what when where which who will with would you your hi hello thanks thank".split()
)
_STRADDLES = 0.25
_EPOCH = datetime.min.replace(tzinfo=UTC)


class Hit(NamedTuple):
    """An article found. ``score`` in [0, 1]: the share of the best BM25 score that a text could
    have for the query."""

    article_id: str
    score: float


class _Index(NamedTuple):
    ids: list[str]
    engine: bm25s.BM25
    ceiling: dict[str, float]


def tokens(text: str) -> list[str]:
    """Words without endings and stop words for English, character bigrams for Chinese."""
    found: list[str] = []
    for word in _WORD.findall(text.lower()):
        if word[0].isascii():
            if word not in _STOP:
                found.append(_stem(word))
        elif len(word) == 1:
            found.append(word)
        else:
            found.extend(word[i : i + 2] for i in range(len(word) - 1))
    return found


def _stem(word: str) -> str:
    # Enough for singular and plural, -ed and -ing; a full stemmer gains little on short articles.
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word.removesuffix(ending)
    return word


class Retriever:
    """Finds articles of a knowledge table.

    Args:
        knowledge: the table ``knowledge``. An article is valid from ``valid_from`` (null: always)
            until before ``valid_to`` (null: for ever).
    """

    def __init__(self, knowledge: pl.DataFrame) -> None:
        self._rows = knowledge.sort("article_id").to_dicts()
        stamps = {row[c] for row in self._rows for c in ("valid_from", "valid_to") if row[c]}
        self._changes = sorted(stamps)
        self._indexes: dict[tuple[int, str | None], _Index | None] = {}

    def top(
        self, text: str | None, language: str | None, at: datetime | None, k: int = 1
    ) -> list[Hit]:
        """The best ``k`` articles for ``text``, best first; none where no token is known.

        Args:
            text: the query.
            language: BCP 47; articles of that very language are searched, else of the same
                primary language, else all.
            at: when the query was made; null searches the articles without any end or start, and
                those that were valid at some time.
        """
        query = tokens(text or "")
        epoch = -1 if at is None else bisect_right(self._changes, at)
        index = self._index(epoch, language)
        if index is None or not query:
            return []
        known = [token for token in query if token in index.ceiling]
        if not known:
            return []
        scores = index.engine.get_scores(known)
        best = sum(index.ceiling.get(token, 0.0) for token in query)
        # Unknown words count as words that no article covers; of Chinese bigrams only a part, since
        # most of them straddle two words and stand in no article whatever it is about.
        unknown = sum(
            1.0 if token[0].isascii() else _STRADDLES
            for token in query
            if token not in index.ceiling
        )
        best += unknown * float(np.mean(list(index.ceiling.values())))
        order = np.argsort(-scores, kind="stable")[:k]
        return [
            Hit(index.ids[i], min(1.0, float(scores[i]) / best)) for i in order if scores[i] > 0
        ]

    def _index(self, epoch: int, language: str | None) -> _Index | None:
        if (epoch, language) not in self._indexes:
            rows = self._valid(epoch)
            primary = (language or "").split("-")[0].lower()
            exact = [r for r in rows if language and r["language"] == language]
            near = [
                r
                for r in rows
                if primary and str(r["language"] or "").split("-")[0].lower() == primary
            ]
            self._indexes[epoch, language] = _build(exact or near or rows)
        return self._indexes[epoch, language]

    def _valid(self, epoch: int) -> list[dict[str, object]]:
        if epoch == -1:
            return self._rows
        moment = self._changes[epoch - 1] if epoch else _EPOCH
        return [
            row
            for row in self._rows
            if (row["valid_from"] is None or row["valid_from"] <= moment)
            and (row["valid_to"] is None or row["valid_to"] > moment)
        ]


def _build(rows: Sequence[dict[str, object]]) -> _Index | None:
    # The title twice: it says what the article is about.
    texts = [tokens(f"{row['title'] or ''} {row['title'] or ''} {row['text']}") for row in rows]
    if not any(texts):
        return None
    vocabulary = {token: i for i, token in enumerate(sorted({t for text in texts for t in text}))}
    engine = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
    ids = [[vocabulary[token] for token in text] for text in texts]
    engine.index((ids, vocabulary), show_progress=False)
    n = len(texts)
    frequency = np.zeros(len(vocabulary))
    for text in ids:
        frequency[list(set(text))] += 1
    # Lucene's BM25 tends to idf as a term's frequency grows: that is a token's best score.
    ceiling = np.log(1 + (n - frequency + 0.5) / (frequency + 0.5))
    return _Index(
        [str(row["article_id"]) for row in rows],
        engine,
        {token: float(ceiling[i]) for token, i in vocabulary.items()},
    )

"""Which intent a conversation has, where its log holds tags or free text instead of one intent.

Of several tags the conversation has the one that most conversations of the log have: intents are
what results are split by, and a rare one splits off too few to say anything. A tag that more than
four in five conversations carry (``web_widget``) sorts nothing and counts only where there is no
other. Subjects that nearly all differ are no intents at all.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

_SEPARATORS = re.compile(r"[,;|、，；\n]+")
# Below this many there is nothing to sort by, however much they differ.
_FEW = 12
_PER_INTENT = 3
_NEARLY_ALL = 0.8


def leading(tags: Mapping[str, Sequence[str]]) -> dict[str, str | None]:
    """One tag for each conversation; null where it has none."""
    n = Counter(tag for own in tags.values() for tag in dict.fromkeys(own))
    most = _NEARLY_ALL * len(tags)
    return {
        conversation: min(own, key=lambda tag: (n[tag] > most, -n[tag], tag), default=None)
        for conversation, own in tags.items()
    }


def split(cell: str) -> list[str]:
    """The tags of a cell such as ``refund; vip``."""
    return [tag.strip() for tag in _SEPARATORS.split(cell) if tag.strip()]


def too_various(values: Sequence[str]) -> bool:
    """Whether ``values``, one a conversation, are too different to be sorted by."""
    kinds = len(set(values))
    return kinds > _FEW and kinds * _PER_INTENT > len(values)

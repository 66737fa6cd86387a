"""Replies that were given once, so that none is asked for twice: one file a candidate."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from simulator.backends import kept
from simulator.candidates import Reply

Kept: TypeAlias = kept.Kept[Reply]


class KeptReplies(kept.KeptAnswers[Reply]):
    """The replies of one candidate, by key.

    Args:
        path: as of :class:`simulator.backends.kept.KeptAnswers`.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, Reply)

"""The sentences that rule candidates say in their own words (``phrases.toml``)."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def _all() -> dict[str, Any]:
    return tomllib.loads((files(__package__) / "phrases.toml").read_text("utf-8"))


def phrase(language: str | None, *path: str) -> str:
    """The phrase at ``path`` in ``language`` (BCP 47), or in the nearest language there is."""
    here: Any = _all()[nearest(language)]
    for key in path:
        here = here.get(key, here.get("details"))
    return str(here)


def nearest(language: str | None) -> str:
    """The language of the phrases that is nearest to a BCP 47 tag."""
    tag = (language or "en").lower()
    if not tag.startswith(("zh", "yue")):
        return "en"
    traditional = any(part in tag.split("-") for part in ("hant", "tw", "hk", "mo")) or tag == "yue"
    return "zh-Hant" if traditional else "zh-Hans"

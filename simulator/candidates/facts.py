"""What a report says of a candidate that speaks with a language model."""

from __future__ import annotations

import polars as pl

from simulator.scenario import Candidate, LanguageModel

# Columns that a recording may have, the same in all its rows.
_OF_RECORDING = ("model", "revision", "settings", "recorded_at")


def facts(config: Candidate) -> dict[str, str]:
    """Model, how it was asked, and when: as far as they are known; empty for rule candidates."""
    if config.model is not None and config.prompt is not None:
        return {"prompt": config.prompt.name, **_of_model(config.model)}
    if config.source is not None and config.source.suffix == ".parquet":
        return _of_recording(config)
    return {}


def _of_model(model: LanguageModel) -> dict[str, str]:
    sampling = (
        f"temperature {model.temperature:g}, top_p {model.top_p:g}"
        if model.temperature
        else "greedy"
    )
    found = {
        "model": model.folder.name if model.folder else model.name,
        "adapter": model.adapter.name if model.adapter else None,
        "backend": model.backend,
        "settings": f"{sampling}, {model.dtype}, at most {model.max_tokens} tokens",
    }
    return {name: fact for name, fact in found.items() if fact}


def _of_recording(config: Candidate) -> dict[str, str]:
    assert config.source is not None
    # A file that cannot be read is the replay's to refuse.
    try:
        rows = pl.scan_parquet(config.source)
        columns = [name for name in _OF_RECORDING if name in rows.collect_schema()]
        first = rows.select(columns).head(1).collect() if columns else pl.DataFrame()
    except (OSError, pl.exceptions.PolarsError):
        return {}
    return {name: str(first[name][0]) for name in columns if first.height}

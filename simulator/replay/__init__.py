"""Replay: where a candidate has to decide, and what it says there."""

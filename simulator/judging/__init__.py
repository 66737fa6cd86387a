"""Judges: what a conversation calls for, and what a reply does and promises."""

"""Candidates side by side: what differs, where, and whether chance explains it."""

"""Rollout: who handles a turn at a stage, how far replay can tell, and what then arrives."""

"""History: past conversations, knowledge, policy and schedule as tables."""

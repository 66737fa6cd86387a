"""The fewest agents that meet a target, and the shifts that bring them."""

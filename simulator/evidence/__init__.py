"""What can be claimed: intervals, exact bounds, and what labels show of the auto domain."""

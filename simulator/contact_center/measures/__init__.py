"""What a planner reads off a simulated desk: indicators, half-hours, percentiles."""

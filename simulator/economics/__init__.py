"""Money: what a stage costs a day, and what it saves against people alone.

Hours do not vanish from a fixed roster, so labour is priced by the hours that the work needs at the
target occupancy and shrinkage, whether today's roster gets round to it or not:
``hours / (occupancy x (1 - shrinkage)) x wage``.
"""

from simulator.economics.breakdown import breakdown
from simulator.economics.costs import costs
from simulator.economics.paid import paid_costs
from simulator.economics.prices import reply_prices
from simulator.economics.volumes import promise_counts, volumes

__all__ = ["breakdown", "costs", "paid_costs", "promise_counts", "reply_prices", "volumes"]

"""Times that a desk looks up: the next opening, a deadline."""

from __future__ import annotations

from simulator.contact_center.desk.state import NOBODY, Desk


def next_opening(desk: Desk, hours: int, now: int) -> int:
    """``now`` if the desk is open, else when it opens next, or NOBODY."""
    first = desk.hours[hours].first
    last = desk.hours[hours].last
    # The first opening that closes after now.
    while first < last:
        middle = (first + last) // 2
        if desk.openings[middle].closes <= now:
            first = middle + 1
        else:
            last = middle
    if first == desk.hours[hours].last:
        return NOBODY
    return max(now, desk.openings[first].opens)


def deadline(desk: Desk, subject: int) -> int:
    """By when a contact should be begun, or NOBODY; it counts though the desk was closed."""
    visit = desk.visits[subject]
    allowance = desk.allowance[visit.row]
    if allowance == NOBODY:
        return NOBODY
    if visit.came != NOBODY:
        return visit.came + allowance
    return visit.arrived + allowance

"""Waiting contacts, free agents and chats in hand as linked lists over the records of a desk.

Why
    Contacts join a queue, and agents become free, nearly in the order in which they are kept, so
    that a place in the list is found from its end in one step; and whoever leaves (patience over,
    shift over) leaves from the middle without a search.
"""

from __future__ import annotations

from simulator.contact_center.desk.state import NOBODY, Desk


def join_queue(desk: Desk, subject: int) -> None:
    """Put a visit into the line of its tier and rank, by arrival and then by number."""
    visits = desk.visits
    visit = visits[subject]
    line = desk.waiting[visit.tier * desk.n_ranks + visit.rank]
    before = line.last
    after = NOBODY
    while before != NOBODY and (
        visits[before].arrived > visit.arrived
        or (visits[before].arrived == visit.arrived and before > subject)
    ):
        after = before
        before = visits[before].before
    visit.before = before
    visit.after = after
    if before == NOBODY:
        line.first = subject
    else:
        visits[before].after = subject
    if after == NOBODY:
        line.last = subject
    else:
        visits[after].before = subject
    desk.tally[0].n_waiting += 1
    room = desk.tiers[visit.tier].room
    if room != NOBODY:
        desk.rooms[room].waiting += 1


def leave_queue(desk: Desk, subject: int) -> None:
    """Take a visit out of its line."""
    visits = desk.visits
    visit = visits[subject]
    line = desk.waiting[visit.tier * desk.n_ranks + visit.rank]
    if visit.before == NOBODY:
        line.first = visit.after
    else:
        visits[visit.before].after = visit.after
    if visit.after == NOBODY:
        line.last = visit.before
    else:
        visits[visit.after].before = visit.before
    desk.tally[0].n_waiting -= 1
    room = desk.tiers[visit.tier].room
    if room != NOBODY:
        desk.rooms[room].waiting -= 1


def first_waiting(desk: Desk, team: int) -> int:
    """The visit that a team takes next: lowest rank, then earliest, then lowest number."""
    visits = desk.visits
    for rank in range(desk.n_ranks):
        claim = desk.claims[team * desk.n_ranks + rank]
        chosen = NOBODY
        for place in range(claim.first, claim.last):
            head = desk.waiting[desk.claimed[place]].first
            if head != NOBODY and (
                chosen == NOBODY
                or visits[head].arrived < visits[chosen].arrived
                or (visits[head].arrived == visits[chosen].arrived and head < chosen)
            ):
                chosen = head
        if chosen != NOBODY:
            return chosen
    return NOBODY


def join_free(desk: Desk, who: int) -> None:
    """Put an agent among the free of his team who have as much in hand, by time and then order."""
    agents = desk.agents
    agent = agents[who]
    agent.free_line = agent.team * desk.n_chats + agent.in_hand
    line = desk.free[agent.free_line]
    before = line.last
    after = NOBODY
    while before != NOBODY and free_longer(desk, who, before):
        after = before
        before = agents[before].before
    agent.before = before
    agent.after = after
    if before == NOBODY:
        line.first = who
    else:
        agents[before].after = who
    if after == NOBODY:
        line.last = who
    else:
        agents[after].before = who


def leave_free(desk: Desk, who: int) -> None:
    """Take an agent out of the free, if he stands there."""
    agents = desk.agents
    agent = agents[who]
    if agent.free_line == NOBODY:
        return
    line = desk.free[agent.free_line]
    if agent.before == NOBODY:
        line.first = agent.after
    else:
        agents[agent.before].after = agent.after
    if agent.after == NOBODY:
        line.last = agent.before
    else:
        agents[agent.after].before = agent.before
    agent.free_line = NOBODY


def free_longer(desk: Desk, one: int, other: int) -> bool:
    """Whether ``one`` has been free longer, or as long and comes first in the order of agents."""
    agents = desk.agents
    if agents[one].free_since != agents[other].free_since:
        return agents[one].free_since < agents[other].free_since
    return one < other


def free_agent(desk: Desk, tier_: int) -> int:
    """Who takes a contact that reaches a tier: preferred team, fewest chats, free longest."""
    tier = desk.tiers[tier_]
    first = tier.first
    most = 1
    if tier.shared:
        most = desk.n_chats
    elif tier.last == first + 1:
        return desk.free[desk.routes[first].team * desk.n_chats].first
    while first < tier.last:
        last = first + 1
        while last < tier.last and desk.routes[last].rank == desk.routes[first].rank:
            last += 1
        for in_hand in range(most):
            chosen = NOBODY
            for place in range(first, last):
                head = desk.free[desk.routes[place].team * desk.n_chats + in_hand].first
                if head != NOBODY and (chosen == NOBODY or free_longer(desk, head, chosen)):
                    chosen = head
            if chosen != NOBODY:
                return chosen
        first = last
    return NOBODY


def take_in_hand(desk: Desk, who: int, subject: int) -> None:
    """Add a chat to those that an agent has in hand."""
    agent = desk.agents[who]
    visit = desk.visits[subject]
    visit.before = agent.last
    visit.after = NOBODY
    if agent.last == NOBODY:
        agent.first = subject
    else:
        desk.visits[agent.last].after = subject
    agent.last = subject
    agent.in_hand += 1


def let_go(desk: Desk, who: int, subject: int) -> None:
    """Take a chat out of an agent's hands."""
    agent = desk.agents[who]
    visit = desk.visits[subject]
    if visit.before == NOBODY:
        agent.first = visit.after
    else:
        desk.visits[visit.before].after = visit.after
    if visit.after == NOBODY:
        agent.last = visit.before
    else:
        desk.visits[visit.after].before = visit.before
    agent.in_hand -= 1

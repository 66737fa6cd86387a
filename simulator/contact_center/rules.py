"""The rules of the desk: who takes which contact when something happens.

Pure desk logic: no clock (the caller says what time it is), no event heap (the caller keeps the
future), no random numbers (every duration was drawn before). :func:`step` takes one event and
answers with the visit whose service starts because of it, if any; at most one can.

The rules:

- An agent who becomes idle takes the first contact that he may take: lowest priority number,
  then earliest arrival, then lowest sequence number. If there is none he waits for one.
- A contact that arrives goes to the longest-idle agent who may take it (then the first in the
  order of agents), or else joins the queue.
- An agent who leaves (the shift ends, a break begins) first ends the contact in hand.
- A contact whose patience runs out while it waits leaves.

Events at one instant happen in the order of the kinds below, and within a kind by the sequence
number of their visit or of their stretch of presence. So an agent whose contact and shift end at
the same instant still takes a waiting contact (the completion comes first), a contact that
arrives as a shift ends does not find that agent, and an agent who comes free at the very instant
at which patience runs out wins.

Why
    State is records in lists, addressed by index, with intrusive linked lists for queues and idle
    agents: arrivals and idle agents come in the order of time, so appending keeps both sorted and
    nothing needs a heap. The same source can run on record arrays.
"""

from __future__ import annotations

from dataclasses import dataclass, field

NOBODY = -1

# Kinds of event, in the order in which they happen at one instant.
COMPLETION, PRESENCE_BEGINS, PRESENCE_ENDS, ARRIVAL, PATIENCE_ENDS = range(5)

# States of a visit.
DUE, WAITING, IN_SERVICE, DONE, ABANDONED = range(5)

# Whether a customer comes back.
NEVER, AFTER_ABANDONING, EITHER_WAY = range(3)


class Visit:
    """One visit to the desk; its index in ``Desk.visits`` is its sequence number.

    ``line`` is the queue it would join (see :class:`Desk`). Times are ms; what has not happened
    is ``None``. ``row`` and ``attempt`` are the driver's: which arrival, and which try of it.
    """

    __slots__ = (
        "abandoned",
        "after",
        "agent",
        "arrived",
        "attempt",
        "before",
        "ended",
        "line",
        "row",
        "started",
        "state",
        "team",
        "work",
    )

    def __init__(self, row: int, attempt: int, line: int, arrived: int, work: int) -> None:
        self.row = row
        self.attempt = attempt
        self.line = line
        self.arrived = arrived
        self.work = work
        self.state = DUE
        self.agent = NOBODY
        self.team = NOBODY
        self.started: int | None = None
        self.ended: int | None = None
        self.abandoned: int | None = None
        self.before = NOBODY
        self.after = NOBODY


class Agent:
    """One agent; the index in ``Desk.agents`` is the place in the order of agents.

    ``present`` counts the stretches of presence that are open, so that stretches which touch or
    overlap are one. ``serving`` is a visit or :data:`NOBODY`.
    """

    __slots__ = ("after", "before", "idle_since", "present", "serving", "team")

    def __init__(self) -> None:
        self.team = NOBODY
        self.present = 0
        self.serving = NOBODY
        self.idle_since = 0
        self.before = NOBODY
        self.after = NOBODY


class Line:
    """The two ends of a linked list of visits or of idle agents."""

    __slots__ = ("first", "last")

    def __init__(self) -> None:
        self.first = NOBODY
        self.last = NOBODY


@dataclass(slots=True)
class Desk:
    """The state of a desk.

    Contacts that the same teams may take form a *pool*; a pool has one line for each priority:
    line ``pool * n_priorities + rank``, rank 0 first.

    Attributes:
        teams_of_line: for each line the teams that may take from it.
        lines_of_team: for each team and rank the lines it may take from.
        stretches: (agent, team) of each stretch of presence.
    """

    agents: list[Agent]
    stretches: list[tuple[int, int]]
    teams_of_line: list[tuple[int, ...]]
    lines_of_team: list[tuple[tuple[int, ...], ...]]
    visits: list[Visit] = field(default_factory=list)
    n_waiting: int = 0
    waiting: list[Line] = field(init=False)
    idle: list[Line] = field(init=False)

    def __post_init__(self) -> None:
        self.waiting = [Line() for _ in self.teams_of_line]
        self.idle = [Line() for _ in self.lines_of_team]


def step(desk: Desk, kind: int, subject: int, now: int) -> int:
    """Let one event happen.

    Args:
        desk: changed in place.
        kind: one of the kinds of event above.
        subject: a stretch for the two presence kinds, else a visit.
        now: ms; never earlier than that of the step before.

    Returns:
        The visit whose service starts at ``now``, or :data:`NOBODY`.
    """
    if kind == ARRIVAL:
        return _arrive(desk, subject, now)
    if kind == COMPLETION:
        return _complete(desk, subject, now)
    if kind == PATIENCE_ENDS:
        return _give_up(desk, subject, now)
    if kind == PRESENCE_BEGINS:
        return _come(desk, subject, now)
    return _go(desk, subject)


def comes_back(habit: int, abandoned: bool) -> bool:
    """Whether a customer of that habit visits again after this visit."""
    return habit == EITHER_WAY or (habit == AFTER_ABANDONING and abandoned)


def _arrive(desk: Desk, subject: int, now: int) -> int:
    visit = desk.visits[subject]
    agents = desk.agents
    chosen = NOBODY
    for team in desk.teams_of_line[visit.line]:
        head = desk.idle[team].first
        if head != NOBODY and (chosen == NOBODY or _idle_longer(agents, head, chosen)):
            chosen = head
    if chosen != NOBODY:
        _leave_idle(desk, chosen)
        return _start(desk, chosen, subject, now)
    line = desk.waiting[visit.line]
    visit.state = WAITING
    visit.before = line.last
    if line.last == NOBODY:
        line.first = subject
    else:
        desk.visits[line.last].after = subject
    line.last = subject
    desk.n_waiting += 1
    return NOBODY


def _complete(desk: Desk, subject: int, now: int) -> int:
    visit = desk.visits[subject]
    visit.state = DONE
    visit.ended = now
    agent = desk.agents[visit.agent]
    agent.serving = NOBODY
    if agent.present == 0:
        return NOBODY
    agent.idle_since = now
    return _take_next(desk, visit.agent, now)


def _give_up(desk: Desk, subject: int, now: int) -> int:
    visit = desk.visits[subject]
    if visit.state == WAITING:
        _leave_queue(desk, subject)
        visit.state = ABANDONED
        visit.abandoned = now
    return NOBODY


def _come(desk: Desk, stretch: int, now: int) -> int:
    who, team = desk.stretches[stretch]
    agent = desk.agents[who]
    agent.present += 1
    if agent.serving != NOBODY:
        agent.team = team
        return NOBODY
    if agent.present > 1:
        # Straight from one stretch into the next, perhaps of another team: idle since before.
        _leave_idle(desk, who)
    else:
        agent.idle_since = now
    agent.team = team
    return _take_next(desk, who, now)


def _go(desk: Desk, stretch: int) -> int:
    who, _ = desk.stretches[stretch]
    agent = desk.agents[who]
    agent.present -= 1
    if agent.present == 0 and agent.serving == NOBODY:
        _leave_idle(desk, who)
    return NOBODY


def _take_next(desk: Desk, who: int, now: int) -> int:
    visits = desk.visits
    if desk.n_waiting:
        for lines in desk.lines_of_team[desk.agents[who].team]:
            chosen = NOBODY
            for line in lines:
                head = desk.waiting[line].first
                if head != NOBODY and (
                    chosen == NOBODY
                    or visits[head].arrived < visits[chosen].arrived
                    or (visits[head].arrived == visits[chosen].arrived and head < chosen)
                ):
                    chosen = head
            if chosen != NOBODY:
                _leave_queue(desk, chosen)
                return _start(desk, who, chosen, now)
    _join_idle(desk, who)
    return NOBODY


def _start(desk: Desk, who: int, subject: int, now: int) -> int:
    visit = desk.visits[subject]
    agent = desk.agents[who]
    agent.serving = subject
    visit.state = IN_SERVICE
    visit.agent = who
    visit.team = agent.team
    visit.started = now
    return subject


def _idle_longer(agents: list[Agent], one: int, other: int) -> bool:
    if agents[one].idle_since != agents[other].idle_since:
        return agents[one].idle_since < agents[other].idle_since
    return one < other


def _join_idle(desk: Desk, who: int) -> None:
    agents = desk.agents
    line = desk.idle[agents[who].team]
    # From the end: only agents who became idle at this very instant can stand behind.
    before, after = line.last, NOBODY
    while before != NOBODY and _idle_longer(agents, who, before):
        before, after = agents[before].before, before
    agents[who].before = before
    agents[who].after = after
    if before == NOBODY:
        line.first = who
    else:
        agents[before].after = who
    if after == NOBODY:
        line.last = who
    else:
        agents[after].before = who


def _leave_idle(desk: Desk, who: int) -> None:
    agents = desk.agents
    agent = agents[who]
    line = desk.idle[agent.team]
    if agent.before == NOBODY:
        line.first = agent.after
    else:
        agents[agent.before].after = agent.after
    if agent.after == NOBODY:
        line.last = agent.before
    else:
        agents[agent.after].before = agent.before
    agent.before = agent.after = NOBODY


def _leave_queue(desk: Desk, subject: int) -> None:
    visits = desk.visits
    visit = visits[subject]
    line = desk.waiting[visit.line]
    if visit.before == NOBODY:
        line.first = visit.after
    else:
        visits[visit.before].after = visit.after
    if visit.after == NOBODY:
        line.last = visit.before
    else:
        visits[visit.after].before = visit.before
    visit.before = visit.after = NOBODY
    desk.n_waiting -= 1

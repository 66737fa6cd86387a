"""The rules of the desk: who takes which contact when something happens.

Pure desk logic: no clock (the caller says what time it is), no event heap (the caller keeps the
future), no random numbers (every duration was drawn before). :func:`step` lets one event happen
and leaves in ``desk.due`` the events that follow from it.

The rules:

- An agent who becomes free takes the first contact that he may take: lowest rank, then earliest
  arrival, then lowest sequence number. If there is none he waits for one.
- A contact that arrives goes to an agent of the first team in its list of preferences that has
  somebody free: of those with the fewest chats in hand the one free longest, then the first in the
  order of agents. Else it joins the queue.
- A contact that has waited as long as a further team asks for may go to that team as well. It
  keeps its place by arrival, and its patience goes on.
- A contact still waiting at its deadline from then on waits with those of ordinary priority.
- Chats share an agent. With n in hand each goes on at ``speed[n]`` thousandths of the speed that it
  would have alone, exactly: what remains is reckoned again whenever n changes. A call or an e-mail
  needs the agent alone. If the first contact that he may take needs him alone, and is of ordinary
  priority or a better one, an agent with chats in hand takes no other until they are done, once he
  has looked; contacts that may wait (e-mail before its deadline) do not keep him from chats.
- An agent who leaves (the shift ends, a break begins) first ends what he has in hand.
- A contact whose patience runs out while it waits leaves.
- Where only so many contacts of a channel may wait, another one is turned away.
- Outside opening hours a contact waits all the same, is turned away, or comes at the next opening,
  as its channel has it; who is turned away may try again as who gave up.

Events at one instant happen in the order of their kinds (see :mod:`state`), and within a kind by
the sequence number of their visit or of their stretch of presence. So an agent whose contact and
shift end at the same instant still takes a waiting contact (the completion comes first), a contact
that arrives as a shift ends does not find that agent, and an agent who comes free at the very
instant at which patience runs out wins.

Why
    One source for the readable engine and the compiled one: records with integer fields, no
    exceptions, no containers that grow.
"""

from __future__ import annotations

from simulator.contact_center.desk.clock import deadline, next_opening
from simulator.contact_center.desk.lines import (
    first_waiting,
    free_agent,
    join_free,
    join_queue,
    leave_free,
    leave_queue,
    let_go,
    take_in_hand,
)
from simulator.contact_center.desk.state import (
    ABANDONED,
    AFTER_ABANDONING,
    ARRIVAL,
    COMPLETION,
    DONE,
    DUE,
    IN_SERVICE,
    MILESTONE,
    NEVER,
    NOBODY,
    PARTS,
    PATIENCE_ENDS,
    PRESENCE_BEGINS,
    TURN_AWAY,
    TURNED_AWAY,
    WAIT,
    WAITING,
    Desk,
)


def expect(desk: Desk, subject: int, row: int, attempt: int) -> None:
    """Make the record of a visit that is due. The caller does it for first visits."""
    visit = desk.visits[subject]
    visit.row = row
    visit.attempt = attempt
    visit.tier = desk.entry[row]
    visit.rank = desk.rank_again[row] if attempt else desk.rank[row]
    visit.state = DUE
    visit.came = NOBODY
    visit.agent = NOBODY
    visit.team = NOBODY
    visit.started = NOBODY
    visit.ended = NOBODY
    visit.left = NOBODY
    visit.handled = 0


def step(desk: Desk, kind: int, subject: int, now: int) -> None:
    """Let one event happen.

    Args:
        desk: changed in place. ``desk.due[:desk.tally[0].n_due]`` are the events that follow.
        kind: one of the kinds of event in :mod:`state`.
        subject: a stretch for the two presence kinds, else a visit.
        now: microseconds; never earlier than that of the step before.
    """
    desk.tally[0].n_due = 0
    if kind == ARRIVAL:
        arrive(desk, subject, now)
    elif kind == COMPLETION:
        complete(desk, subject, now)
    elif kind == PATIENCE_ENDS:
        give_up(desk, subject, now)
    elif kind == MILESTONE:
        reach(desk, subject, now)
    elif kind == PRESENCE_BEGINS:
        come(desk, subject, now)
    else:
        go(desk, subject, now)


def arrive(desk: Desk, subject: int, now: int) -> None:
    """A contact arrives."""
    visit = desk.visits[subject]
    visit.arrived = now
    tier = desk.tiers[visit.tier]
    if tier.hours != NOBODY and desk.hours[tier.hours].outside != WAIT:
        opens = next_opening(desk, tier.hours, now)
        if opens != now:
            closed(desk, subject, opens, now)
            return
    who = free_agent(desk, visit.tier)
    if who != NOBODY:
        start(desk, who, subject, now)
        return
    if tier.room != NOBODY and desk.rooms[tier.room].waiting >= desk.rooms[tier.room].limit:
        turn_away(desk, subject, now)
        return
    visit.state = WAITING
    if visit.came != NOBODY:
        see_if_overdue(desk, subject, now)
    join_queue(desk, subject)
    patience = desk.patience[visit.row * desk.n_trials + visit.attempt]
    if patience != NOBODY:
        ask(desk, PATIENCE_ENDS, subject, now + patience)
    if tier.more or desk.allowance[visit.row] != NOBODY:
        ask_milestone(desk, subject)


def complete(desk: Desk, subject: int, now: int) -> None:
    """The work on a contact may be done: an event for a chat that has slowed down since is not."""
    visit = desk.visits[subject]
    who = visit.agent
    agent = desk.agents[who]
    if agent.next_done != subject or visit.due != now:
        return
    visit.ended = now
    visit.state = DONE
    agent.next_done = NOBODY
    if agent.alone:
        agent.alone = 0
        visit.handled = (now - visit.started) * PARTS
    else:
        leave_free(desk, who)
        bring_up_to_date(desk, who, now)
        let_go(desk, who, subject)
    come_back(desk, subject, now, False)
    take(desk, who, now)


def give_up(desk: Desk, subject: int, now: int) -> None:
    """Patience runs out; most of those who waited have been served meanwhile."""
    visit = desk.visits[subject]
    if visit.state != WAITING:
        return
    leave_queue(desk, subject)
    visit.state = ABANDONED
    visit.left = now
    come_back(desk, subject, now, True)


def reach(desk: Desk, subject: int, now: int) -> None:
    """A contact has waited long enough for further teams, or is overdue."""
    visit = desk.visits[subject]
    if visit.state != WAITING:
        return
    leave_queue(desk, subject)
    see_if_overdue(desk, subject, now)
    while desk.tiers[visit.tier].more and (
        visit.arrived + desk.tiers[visit.tier + 1].since_arrival <= now
    ):
        visit.tier += 1
        who = free_agent(desk, visit.tier)
        if who != NOBODY:
            start(desk, who, subject, now)
            return
    join_queue(desk, subject)
    ask_milestone(desk, subject)


def come(desk: Desk, stretch: int, now: int) -> None:
    """An agent comes: the shift begins, or a break is over."""
    who = desk.stretches[stretch].agent
    agent = desk.agents[who]
    agent.present += 1
    free_since = now
    in_hand = agent.in_hand
    if agent.free_line != NOBODY:
        # Straight from one stretch into the next, perhaps of another team: free since before.
        free_since = agent.free_since
        leave_free(desk, who)
    agent.team = desk.stretches[stretch].team
    if in_hand:
        bring_up_to_date(desk, who, now)
    take(desk, who, now)
    if agent.free_line != NOBODY and agent.in_hand == in_hand:
        leave_free(desk, who)
        agent.free_since = free_since
        join_free(desk, who)


def go(desk: Desk, stretch: int, now: int) -> None:
    """An agent goes, once he has ended what he has in hand."""
    who = desk.stretches[stretch].agent
    agent = desk.agents[who]
    agent.present -= 1
    if agent.present == 0:
        leave_free(desk, who)


def take(desk: Desk, who: int, now: int) -> None:
    """Give an agent, who is not among the free, what he may take from the queue."""
    agent = desk.agents[who]
    while (
        desk.tally[0].n_waiting
        and agent.present
        and not agent.alone
        and agent.in_hand < agent.max_chats
    ):
        chosen = first_waiting(desk, agent.team)
        if chosen == NOBODY:
            break
        if agent.in_hand and not desk.tiers[desk.visits[chosen].tier].shared:
            if desk.visits[chosen].rank > desk.tally[0].overdue_rank:
                break
            ask_next_done(desk, who, now)
            return
        leave_queue(desk, chosen)
        begin(desk, who, chosen, now)
    if not agent.alone:
        place(desk, who, now)


def start(desk: Desk, who: int, subject: int, now: int) -> None:
    """A free agent begins a contact."""
    leave_free(desk, who)
    begin(desk, who, subject, now)
    if not desk.agents[who].alone:
        place(desk, who, now)


def begin(desk: Desk, who: int, subject: int, now: int) -> None:
    """An agent begins a contact. The completion of chats has still to be asked for."""
    visit = desk.visits[subject]
    agent = desk.agents[who]
    visit.state = IN_SERVICE
    visit.agent = who
    visit.team = agent.team
    visit.started = now
    work = desk.work[visit.row]
    saved = desk.saved[visit.row]
    if saved:
        work = max(0, work - saved * agent.gain // 1000)
    if desk.tiers[visit.tier].shared:
        bring_up_to_date(desk, who, now)
        visit.remaining = work * 1000
        take_in_hand(desk, who, subject)
    else:
        agent.alone = 1
        agent.next_done = subject
        visit.due = now + work
        ask(desk, COMPLETION, subject, visit.due)


def place(desk: Desk, who: int, now: int) -> None:
    """Put an agent among the free if he is, and ask for the completion of his chats."""
    agent = desk.agents[who]
    if agent.present and agent.in_hand < agent.max_chats:
        agent.free_since = now
        join_free(desk, who)
    if agent.in_hand:
        ask_next_done(desk, who, now)


def bring_up_to_date(desk: Desk, who: int, now: int) -> None:
    """Take off what an agent has done on each of his chats since he last looked."""
    agent = desk.agents[who]
    passed = now - agent.updated
    agent.updated = now
    n = agent.in_hand
    if n == 0 or passed == 0:
        return
    speed = desk.speed[n]
    chat = agent.first
    while chat != NOBODY:
        visit = desk.visits[chat]
        # A completion is due at a whole microsecond: rounded up, it may be past done.
        visit.remaining = max(0, visit.remaining - passed * speed)
        visit.handled += passed * PARTS // n
        chat = visit.after


def ask_next_done(desk: Desk, who: int, now: int) -> None:
    """Ask for the completion of whichever chat in hand is done first, then of lowest number."""
    agent = desk.agents[who]
    speed = desk.speed[agent.in_hand]
    chosen = NOBODY
    least = 0
    chat = agent.first
    while chat != NOBODY:
        visit = desk.visits[chat]
        needs = (visit.remaining + speed - 1) // speed
        if chosen == NOBODY or needs < least or (needs == least and chat < chosen):
            chosen = chat
            least = needs
        chat = visit.after
    agent.next_done = chosen
    desk.visits[chosen].due = now + least
    ask(desk, COMPLETION, chosen, now + least)


def ask_milestone(desk: Desk, subject: int) -> None:
    """Ask for when a waiting contact reaches its next tier or its deadline."""
    visit = desk.visits[subject]
    at = NOBODY
    if desk.tiers[visit.tier].more:
        at = visit.arrived + desk.tiers[visit.tier + 1].since_arrival
    overdue = deadline(desk, subject)
    if (
        overdue != NOBODY
        and visit.rank > desk.tally[0].overdue_rank
        and (at == NOBODY or overdue < at)
    ):
        at = overdue
    if at != NOBODY:
        ask(desk, MILESTONE, subject, at)


def see_if_overdue(desk: Desk, subject: int, now: int) -> None:
    """Past its deadline a contact waits with those of ordinary priority."""
    overdue = deadline(desk, subject)
    if overdue != NOBODY and overdue <= now:
        visit = desk.visits[subject]
        visit.rank = min(visit.rank, desk.tally[0].overdue_rank)


def come_back(desk: Desk, subject: int, now: int, abandoned: bool) -> None:
    """Make the next visit of a customer who comes back."""
    visit = desk.visits[subject]
    trial = visit.row * desk.n_trials + visit.attempt
    habit = desk.habit[trial]
    if habit == NEVER or (habit == AFTER_ABANDONING and not abandoned):
        return
    number = desk.tally[0].n_visits
    desk.tally[0].n_visits = number + 1
    expect(desk, number, visit.row, visit.attempt + 1)
    desk.visits[number].arrived = now + desk.delay[trial]
    ask(desk, ARRIVAL, number, now + desk.delay[trial])


def closed(desk: Desk, subject: int, opens: int, now: int) -> None:
    """A contact finds the desk closed until ``opens``, or for good (NOBODY)."""
    visit = desk.visits[subject]
    if desk.hours[desk.tiers[visit.tier].hours].outside == TURN_AWAY:
        turn_away(desk, subject, now)
    elif opens != NOBODY:
        if visit.came == NOBODY:
            visit.came = now
        ask(desk, ARRIVAL, subject, opens)


def turn_away(desk: Desk, subject: int, now: int) -> None:
    """A contact is not let in; the customer may try again."""
    visit = desk.visits[subject]
    visit.state = TURNED_AWAY
    visit.left = now
    come_back(desk, subject, now, True)


def ask(desk: Desk, kind: int, subject: int, time: int) -> None:
    """Ask for an event."""
    tally = desk.tally[0]
    due = desk.due[tally.n_due]
    due.kind = kind
    due.subject = subject
    due.time = time
    tally.n_due += 1

"""Rules broken by hand, one at a time: each is caught by the exact logs.

The functions of ``rules`` and ``lines`` are replaced where the SimPy engine looks them up. Each
mutation names the test that sees it; the same tests pass with the rules as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from simulator.contact_center.desk import lines, rules, state
from simulator.contact_center.desk.state import NOBODY, PARTS, WAITING, Desk
from tests import test_contact_center as basics
from tests import test_contact_center_depth as depth
from tests.test_contact_center import Run, runs_on

Check = Callable[[Run], None]
Patch = pytest.MonkeyPatch

MUTATIONS: dict[str, tuple[Callable[[Patch], None], Check]] = {}


def caught_by(check: Check) -> Callable[[Callable[[Patch], None]], Callable[[Patch], None]]:
    def listed(mutation: Callable[[Patch], None]) -> Callable[[Patch], None]:
        MUTATIONS[mutation.__name__] = (mutation, check)
        return mutation

    return listed


def swap(patch: Patch, one: str, other: str) -> None:
    """Two kinds of event change places in the order at one instant."""
    numbers = getattr(state, one), getattr(state, other)
    # The number of a kind is its place in the order.
    for name, number in zip((one, other), reversed(numbers), strict=True):
        if hasattr(rules, name):
            patch.setattr(rules, name, number)
        # The rules alone ask for the end of patience; elsewhere it is the last of the kinds.
        if name != "PATIENCE_ENDS":
            patch.setattr(state, name, number)


@caught_by(basics.test_service_wins_over_patience_at_the_same_instant)
def patience_before_completion(patch: Patch) -> None:
    swap(patch, "COMPLETION", "PATIENCE_ENDS")


@caught_by(basics.test_completion_comes_before_arrival)
def arrival_before_completion(patch: Patch) -> None:
    swap(patch, "COMPLETION", "ARRIVAL")


@caught_by(basics.test_completion_comes_before_the_end_of_the_shift)
def end_of_shift_before_completion(patch: Patch) -> None:
    swap(patch, "COMPLETION", "PRESENCE_ENDS")


@caught_by(basics.test_shift_ends_before_arrival)
def arrival_before_end_of_shift(patch: Patch) -> None:
    swap(patch, "PRESENCE_ENDS", "ARRIVAL")


@caught_by(depth.test_overflow_at_the_instant_at_which_patience_ends_is_in_time)
def patience_before_overflow(patch: Patch) -> None:
    swap(patch, "MILESTONE", "PATIENCE_ENDS")


@caught_by(depth.test_an_agent_who_comes_free_at_the_instant_of_overflow)
def overflow_before_completion(patch: Patch) -> None:
    swap(patch, "MILESTONE", "COMPLETION")


@caught_by(
    basics.test_the_contact_in_hand_is_ended_before_a_break_and_the_queue_waits_for_the_return
)
def break_ignored(patch: Patch) -> None:
    patch.setattr(rules, "go", lambda desk, stretch, now: None)


@caught_by(
    basics.test_the_contact_in_hand_is_ended_before_a_break_and_the_queue_waits_for_the_return
)
def contact_in_hand_dropped_at_the_end_of_the_shift(patch: Patch) -> None:
    go = rules.go

    def drop(desk: Desk, stretch: int, now: int) -> None:
        go(desk, stretch, now)
        agent = desk.agents[desk.stretches[stretch].agent]
        if agent.alone and not agent.present:
            visit = desk.visits[agent.next_done]
            visit.state, visit.ended = state.DONE, now
            visit.handled = (now - visit.started) * PARTS
            agent.alone, agent.next_done = 0, NOBODY

    patch.setattr(rules, "go", drop)


@caught_by(depth.test_overflow_keeps_the_place_and_patience_goes_on)
def patience_restarted_on_overflow(patch: Patch) -> None:
    reach, give_up = rules.reach, rules.give_up
    until: dict[int, int] = {}

    def restart(desk: Desk, subject: int, now: int) -> None:
        visit = desk.visits[subject]
        tier = visit.tier
        reach(desk, subject, now)
        patience = desk.patience[visit.row * desk.n_trials + visit.attempt]
        if visit.state == WAITING and visit.tier > tier and patience != NOBODY:
            until[subject] = now + patience
            rules.ask(desk, rules.PATIENCE_ENDS, subject, now + patience)

    def only_then(desk: Desk, subject: int, now: int) -> None:
        if now >= until.get(subject, now):
            give_up(desk, subject, now)

    patch.setattr(rules, "reach", restart)
    patch.setattr(rules, "give_up", only_then)


@caught_by(depth.test_overflow_keeps_the_place_and_patience_goes_on)
def place_lost_on_overflow(patch: Patch) -> None:
    reach, join_queue = rules.reach, rules.join_queue

    def to_the_end(desk: Desk, subject: int, now: int) -> None:
        def join_last(desk: Desk, subject: int) -> None:
            desk.visits[subject].arrived = now
            join_queue(desk, subject)

        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(rules, "join_queue", join_last)
            reach(desk, subject, now)

    patch.setattr(rules, "reach", to_the_end)


@caught_by(depth.test_a_contact_goes_to_a_further_team_once_it_has_waited)
def overflow_at_once(patch: Patch) -> None:
    free_agent = rules.free_agent

    def anybody(desk: Desk, tier: int) -> int:
        who = free_agent(desk, tier)
        while who == NOBODY and desk.tiers[tier].more:
            tier += 1
            who = free_agent(desk, tier)
        return who

    patch.setattr(rules, "free_agent", anybody)


@caught_by(depth.test_a_contact_goes_to_a_further_team_once_it_has_waited)
def overflow_forgotten(patch: Patch) -> None:
    patch.setattr(rules, "ask_milestone", lambda desk, subject: None)


@caught_by(depth.test_preferences_then_longest_idle_within_one_rank)
def preferences_ignored(patch: Patch) -> None:
    def any_team(desk: Desk, tier_: int) -> int:
        tier = desk.tiers[tier_]
        free = [
            desk.free[desk.routes[place].team * desk.n_chats].first
            for place in range(tier.first, tier.last)
        ]
        free = [who for who in free if who != NOBODY]
        return min(free, key=lambda who: (desk.agents[who].free_since, who), default=NOBODY)

    patch.setattr(rules, "free_agent", any_team)


@caught_by(basics.test_queue_goes_by_priority_then_arrival_then_sequence)
def last_come_first_served(patch: Patch) -> None:
    def join_first(desk: Desk, subject: int) -> None:
        visit = desk.visits[subject]
        line = desk.waiting[visit.tier * desk.n_ranks + visit.rank]
        visit.before, visit.after = NOBODY, line.first
        if line.first == NOBODY:
            line.last = subject
        else:
            desk.visits[line.first].before = subject
        line.first = subject
        desk.tally[0].n_waiting += 1

    patch.setattr(rules, "join_queue", join_first)


@caught_by(basics.test_queue_goes_by_priority_then_arrival_then_sequence)
def priority_ignored(patch: Patch) -> None:
    expect = rules.expect

    def ordinary(desk: Desk, subject: int, row: int, attempt: int) -> None:
        expect(desk, subject, row, attempt)
        desk.visits[subject].rank = desk.tally[0].overdue_rank

    patch.setattr(rules, "expect", ordinary)


@caught_by(basics.test_each_attempt_has_its_own_patience_and_only_the_first_its_priority)
def priority_kept_by_who_comes_back(patch: Patch) -> None:
    expect = rules.expect

    def as_before(desk: Desk, subject: int, row: int, attempt: int) -> None:
        expect(desk, subject, row, attempt)
        desk.visits[subject].rank = desk.rank[row]

    patch.setattr(rules, "expect", as_before)


@caught_by(basics.test_each_attempt_has_its_own_patience_and_only_the_first_its_priority)
def patience_of_the_first_attempt_for_all(patch: Patch) -> None:
    arrive = rules.arrive

    def with_the_first(desk: Desk, subject: int, now: int) -> None:
        visit = desk.visits[subject]
        attempt, visit.attempt = visit.attempt, 0
        arrive(desk, subject, now)
        visit.attempt = attempt

    patch.setattr(rules, "arrive", with_the_first)


@caught_by(basics.test_longest_idle_agent_then_the_order_of_agents)
def first_agent_instead_of_longest_idle(patch: Patch) -> None:
    patch.setattr(lines, "free_longer", lambda desk, one, other: one < other)


@caught_by(basics.test_recontacts_by_habit)
def habit_ignored(patch: Patch) -> None:
    # Whoever may come back after abandoning comes back after an answer too.
    come_back = rules.come_back
    patch.setattr(
        rules, "come_back", lambda desk, subject, now, _: come_back(desk, subject, now, True)
    )


@caught_by(depth.test_an_overdue_email_waits_with_the_ordinary_from_its_deadline)
def deadline_ignored(patch: Patch) -> None:
    ask_milestone = rules.ask_milestone

    def overflow_alone(desk: Desk, subject: int) -> None:
        visit = desk.visits[subject]
        rank, visit.rank = visit.rank, desk.tally[0].overdue_rank
        ask_milestone(desk, subject)
        visit.rank = rank

    patch.setattr(rules, "ask_milestone", overflow_alone)


@caught_by(depth.test_turned_away_when_closed)
def hours_ignored(patch: Patch) -> None:
    patch.setattr(rules, "next_opening", lambda desk, hours, now: now)


@caught_by(depth.test_who_is_turned_away_may_try_again_as_who_gave_up)
def turned_away_for_good(patch: Patch) -> None:
    closed = rules.closed

    def in_vain(desk: Desk, subject: int, opens: int, now: int) -> None:
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(rules, "come_back", lambda *_: None)
            closed(desk, subject, opens, now)

    patch.setattr(rules, "closed", in_vain)


@caught_by(depth.test_the_gain_is_the_agents_own)
def gain_ignored(patch: Patch) -> None:
    begin = rules.begin

    def ordinary(desk: Desk, who: int, subject: int, now: int) -> None:
        agent = desk.agents[who]
        gain, agent.gain = agent.gain, 1000
        begin(desk, who, subject, now)
        agent.gain = gain

    patch.setattr(rules, "begin", ordinary)


@caught_by(depth.test_chats_share_an_agent_as_they_come_and_go)
def speed_not_reckoned_again_as_a_chat_comes(patch: Patch) -> None:
    ask_next_done = rules.ask_next_done

    def once(desk: Desk, who: int, now: int) -> None:
        if desk.agents[who].next_done == NOBODY:
            ask_next_done(desk, who, now)

    patch.setattr(rules, "ask_next_done", once)


@caught_by(depth.test_chats_share_an_agent_as_they_come_and_go)
def agents_own_time_counted_for_every_chat(patch: Patch) -> None:
    bring_up_to_date = rules.bring_up_to_date

    def in_full(desk: Desk, who: int, now: int) -> None:
        agent = desk.agents[who]
        passed, n = now - agent.updated, agent.in_hand
        bring_up_to_date(desk, who, now)
        chat = agent.first
        while chat != NOBODY:
            visit = desk.visits[chat]
            visit.handled += passed * PARTS - passed * PARTS // n
            chat = visit.after

    patch.setattr(rules, "bring_up_to_date", in_full)


@caught_by(depth.test_the_agent_with_the_fewest_chats_then_free_longest_takes_a_chat)
def most_chats_first(patch: Patch) -> None:
    def fullest(desk: Desk, tier_: int) -> int:
        tier = desk.tiers[tier_]
        for in_hand in reversed(range(desk.n_chats)):
            for place in range(tier.first, tier.last):
                who = desk.free[desk.routes[place].team * desk.n_chats + in_hand].first
                if who != NOBODY:
                    return who
        return NOBODY

    patch.setattr(rules, "free_agent", fullest)


@caught_by(depth.test_an_agent_with_chats_ends_them_for_a_call_that_came_first)
def chats_taken_past_a_call(patch: Patch) -> None:
    first_waiting = rules.first_waiting

    def first_chat(desk: Desk, team: int) -> int:
        chosen = first_waiting(desk, team)
        if chosen == NOBODY or desk.tiers[desk.visits[chosen].tier].shared:
            return chosen
        chats = [
            at
            for at in range(desk.tally[0].n_visits)
            if desk.visits[at].state == WAITING and desk.tiers[desk.visits[at].tier].shared
        ]
        return chats[0] if chats else chosen

    patch.setattr(rules, "first_waiting", first_chat)


@contextmanager
def mutated(mutation: Callable[[Patch], None]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        mutation(patch)
        yield


@pytest.mark.parametrize("name", MUTATIONS)
def test_each_mutation_is_caught(name: str) -> None:
    mutation, check = MUTATIONS[name]
    run = runs_on("simpy")
    check(run)
    with mutated(mutation), pytest.raises(AssertionError):
        check(run)
    # What a mutation leaves behind would make the next one look caught.
    check(run)

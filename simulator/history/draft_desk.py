"""The parts of a drafted scenario that are about the desk: work, hours, and who is there."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from simulator.history import observed
from simulator.history.draft_text import WIDTH, clock, comment, named, quoted, said, table
from simulator.history.observed import HandleTime, Volume
from simulator.scenario import Assume

# Told of a key that is missing, and of what it would supply.
Lacks = Callable[[str, str], None]
# Of a median day: what is less is a sample of conversations, and says nothing of a desk's load.
_FEWEST_A_DAY = 5


def assumptions(log: pl.DataFrame, volume: Volume | None, lacks: Lacks) -> list[str]:
    """``[history.assume]``: what the log lacks, or nothing."""
    keys: list[str] = []
    for one in observed.handle_times(log):
        keys += _handle_time(one, lacks)
    usual = volume and (volume.weekday or volume.weekend or 0)
    if usual is None or usual < _FEWEST_A_DAY:
        why = "the log has no times"
        if volume is not None:
            why = (
                f"{volume.n} contacts from {volume.first} to {volume.last} are a sample, not a desk"
            )
        number = f'{{ value = 300, low = 200, high = 500, source = "assumed: {why}" }}'
        keys += said(f"contacts_per_day = {number}", f"assumed: {why}")
        lacks("history.assume.contacts_per_day", "how many contacts come on a day")
        lacks("history.assume.arrival_profile", "at which hours of the day they come")
    default = Assume()
    for column, rate, unsaid, what in (
        ("resolved", default.resolved_rate, "which were resolved", "is resolved"),
        ("complained", default.complained_rate, "who complained", "complains"),
    ):
        known = log[column].drop_nulls()
        key = f"{column}_rate"
        if known.len() == 0:
            lacks(f"history.assume.{key}", f"the share that {what}")
            keys += said(f"{key} = {table(rate)}", f"assumed: the log does not say {unsaid}")
        elif known.len() < log.height:
            mean = float(str(known.cast(pl.Float64).mean()))
            keys += said(
                f"{key} = {{ value = {mean:.4g}, "
                f'source = "{known.len()} conversations of the log" }}',
                f"the log does not say {unsaid} of the other {log.height - known.len():,}",
            )
    if all(line.startswith("#") for line in keys):
        return keys
    return ["# What the log lacks. Used only where it holds nothing.", "[history.assume]", *keys]


def _handle_time(one: HandleTime, lacks: Lacks) -> list[str]:
    key = f"handle_time_{one.channel}_s"
    things = {"chat": "chats", "email": "e-mails", "voice": "calls"}[one.channel]
    if one.median is None or one.mean is None:
        lacks(f"history.assume.{key}", f"how long the work on {things} takes")
        return said(
            f"{key} = {table(getattr(Assume(), key))}",
            f"assumed: the log has no handle time of its {one.of:,} {things}",
        )
    spread = f"quartiles {one.low:,.0f} and {one.high:,.0f} s, mean {one.mean:,.0f} s"
    if one.n == one.of:
        return comment(
            f"Handle time of {things}: {one.median:,.0f} s, median of all {one.n:,} ({spread}); "
            "the log has every one, so nothing is assumed."
        )
    return said(
        f"{key} = {{ value = {one.mean:.0f}, low = {min(one.low or 0, one.mean):.0f}, "
        f"high = {max(one.high or 0, one.mean):.0f}, "
        f'source = "mean of {one.n} {things} of the log, and its quartiles" }}',
        f"{one.median:,.0f} s is the median of {one.n:,} {things} ({spread}); the log has none "
        f"for the other {one.of - one.n:,}",
    )


def desk(log: pl.DataFrame, dated: pl.DataFrame, scheduled: bool, lacks: Lacks) -> list[str]:
    """``[contact_center]``: hours, and the teams where agents are named and no schedule is."""
    lines: list[str] = []
    teams = [] if scheduled else observed.teams(dated)
    at_once, beside = observed.most_at_once(log)
    if beside > 0.05:
        lines += said(
            'handle_time_basis = "elapsed"',
            f"{100 * beside:.0f} % of the chats began beside another of their agent, so that "
            "handle times are time that passed, not work",
        )
    if teams:
        lines += said("absence_rate = 0", "who was absent is not counted below")
    lines += _opening(dated)
    chats = at_once if beside > 0.05 else 1
    names: list[str] = []
    tables: list[str] = []
    for team in teams:
        name = named(team.skill or "desk")
        # Skills that differ in signs alone would share a name.
        names.append(name if name not in names else f"{name[:58]} {len(names) + 1}")
        tables += _team(team, names[-1], chats)
    if not teams and not scheduled:
        lines += comment(
            "Who was at work is not known: the desk is sized so that people alone would answer "
            "nine in ten in time, by the hour (Erlang A). Read waits as a comparison of stages."
        )
    if log["wait_s"].null_count() == log.height:
        lacks(
            "wait_s",
            "how long customers waited (and abandoned: who gave up); the queue model can be "
            "tested against your desk with it",
        )
    return ["[contact_center]", *lines, *tables]


def _opening(dated: pl.DataFrame) -> list[str]:
    found = observed.opening(dated)
    if not found:
        return comment(
            "Opening hours: none set; contacts come at nearly all hours, or too few "
            "have a time to tell."
        )
    lines = []
    alike: dict[tuple[str, int, int], list[observed.Hours]] = {}
    for one in found:
        alike.setdefault((one.channel, one.opens, one.closes), []).append(one)
    for (channel, opens, closes), hours in alike.items():
        days = ", ".join(f'"{day}"' for one in hours for day in one.days)
        n, beyond = sum(one.n for one in hours), sum(one.n_outside for one in hours)
        outside = f"; {beyond:,} came outside, and would be turned away" if beyond else ""
        lines += [f"  {line}" for line in comment(f"{n:,} contacts{outside}", WIDTH - 2)]
        lines.append(
            f"  {{ opens = {clock(opens)}, closes = {clock(closes)}, days = [{days}], "
            f'channels = ["{channel}"] }},'
        )
    return [*comment("From the first contact to the last, by weekday."), "opening = [", *lines, "]"]


def _team(team: observed.Team, name: str, at_once: int) -> list[str]:
    lines = [
        "",
        *comment(
            f"{team.n_agents} people by who served when: at work from the first to the last "
            "contact of a day, in each hour as many as on the median day. Counted, not "
            "rostered: name your schedule in [history] if you have one."
        ),
        "[[contact_center.teams]]",
        f"name = {quoted(name)}",
    ]
    if team.skill is not None:
        lines.append(f"skills = [{quoted(team.skill)}]")
    if at_once > 1:
        lines += said(f"chats_at_once = {at_once}", "95 % of chats began beside fewer others")
    lines.append("shifts = [")
    for n, begins, ends, days in team.shifts:
        of = ", ".join(f'"{day}"' for day in days)
        lines.append(
            f"  {{ agents = {n}, starts = {clock(begins * 3600)}, "
            f"ends = {clock(ends * 3600)}, days = [{of}] }},"
        )
    return [*lines, "]"]

"""Which contacts are judged together when a desk is staffed."""

from __future__ import annotations

import numpy as np

from simulator.contact_center.staffing.sample import Flags, Ints, Reals

# Contacts a day below which an interval says too little by itself.
FEW = 3.0


def groups_of(per_day: Reals, mail_per_day: Reals, is_open: Flags) -> tuple[Ints, Ints]:
    """Which contacts are judged together: the group of each cell's live ones, of each team's mail.

    A run of quiet intervals is cut into groups of :data:`FEW` contacts a day; what is left over
    joins the group before, or a neighbour where the whole run has fewer. The cells of a team that
    has mail alone are of its mail's group; those of a closed interval of none (-1).
    """
    group: Ints = np.full(per_day.shape, -1)
    mail_group: Ints = np.full(len(per_day), -1)
    number = 0
    for team, counts in enumerate(per_day):
        if mail_per_day[team].any():
            mail_group[team] = number
            number += 1
            if not counts.any():
                group[team, is_open] = mail_group[team]
                continue
        parts: list[list[int]] = []
        quiet: list[int] = []
        for at in np.flatnonzero(is_open).tolist():
            broken = bool(quiet) and at != quiet[-1] + 1
            if quiet and (broken or counts[at] >= FEW):
                _settle(parts, quiet, counts)
                quiet = []
            if counts[at] >= FEW:
                parts.append([at])
            else:
                quiet.append(at)
                if counts[quiet].sum() >= FEW:
                    parts.append(quiet)
                    quiet = []
        _settle(parts, quiet, counts)
        for part in parts:
            group[team, part] = number
            number += 1
    return group, mail_group


def _settle(parts: list[list[int]], quiet: list[int], counts: Reals) -> None:
    """Put a remainder with too few contacts where it belongs."""
    if not quiet:
        return
    if parts:
        parts[-1] += quiet
    else:
        parts.append(quiet)

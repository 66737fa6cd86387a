"""Call-by-call log of a bank's call centre ("Anonymous Bank", Technion SEELab), tab-separated.

A call is a conversation on channel voice without turns. ``started_at`` is when it joined the
queue, or was put through at once; ``wait_s`` lasts until service or hanging up; ``handle_time_s``
is the service (what an agent does after it is not in the log); ``intent`` is the type of call
(PS regular, NW new customer, NE internet, IN stock exchange, TT, PE). Clock times are of Israel,
whatever the history's time zone.

Set aside: calls that hung up before they joined the queue (they never reached the desk), calls
with outcome PHANTOM (nobody was on the line), and rows that contradict themselves. Service by
``NO_SERVER`` (a few seconds each) is kept without an agent; service without times keeps its wait
and has no handle time.

Why ``priority`` is not imported
    Callers are identified while they wait, so the column tells how the wait went: of regular
    calls, some 1 % of those with priority 0 waited, and over 95 % of the others. A model given it
    would know the answer. For the same reason a missing ``customer_id`` means a call put through
    at once, more often than a stranger.

Source: Brown, Gans, Mandelbaum, Sakov, Shen, Zeltyn, Zhao, "Statistical analysis of a telephone
call center: a queueing-science perspective", JASA 100 (2005) 36-50.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from simulator.errors import HistoryError
from simulator.history.account import Imported
from simulator.history.importers.fields import Fault
from simulator.history.importers.intake import Intake
from simulator.history.importers.source import read_bytes, without_bom
from simulator.scenario import History

ZONE = ZoneInfo("Asia/Jerusalem")
COLUMNS = (
    "vru+line",
    "call_id",
    "customer_id",
    "priority",
    "type",
    "date",
    "vru_entry",
    "vru_exit",
    "q_start",
    "q_exit",
    "q_time",
    "outcome",
    "ser_start",
    "ser_exit",
    "ser_time",
    "server",
)
_CLOCK = re.compile(r"(\d{1,2}):([0-5]\d):([0-5]\d)")
_DATE = re.compile(r"\d{6}")
_SECONDS = re.compile(r"-?\d{1,6}")
_DAY_S = 86_400
_NEVER = 0  # The log writes 0:00:00 where something did not happen.


def read(history: History) -> Imported:
    """The calls of one month's file.

    Raises:
        HistoryError: cannot be read, lacks a column, or no call is usable.
    """
    path = Path(history.source or "")
    raw = read_bytes(path)
    lines = without_bom(path, raw).decode("utf-8", "replace").splitlines()
    header = [name.strip() for name in lines[0].split("\t")]
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise HistoryError(
            f"{path}: line 1 has no column {missing[0]!r}; expected tab-separated columns "
            f"{', '.join(COLUMNS)}"
        )
    intake = Intake(history, path.name, [raw], lenient=True, zone=ZONE)
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        place = {"line": number}
        values = [value.strip() for value in line.split("\t")]
        if len(values) != len(header):
            reason = f"not a call: {len(values)} fields; the header has {len(header)}"
            intake.refuse(place, reason, line)
            continue
        try:
            fields = _call(dict(zip(header, values, strict=True)), intake)
        except Fault as fault:
            intake.refuse(place, str(fault), line)
            continue
        intake.conversation(fields, [], place)
    return intake.finish()


def _call(row: dict[str, str], intake: Intake) -> dict[str, object]:
    outcome, served = row["outcome"], row["server"] not in ("", "NO_SERVER")
    if outcome == "PHANTOM":
        raise Fault("phantom call: nobody was on the line")
    if outcome not in ("AGENT", "HANG"):
        raise Fault(f"unknown outcome: {row['outcome'][:60]!r}; expected AGENT, HANG or PHANTOM")
    hung_up = outcome == "HANG"
    if hung_up and served:
        raise Fault(f"contradiction: outcome HANG, yet served by {row['server'][:60]!r}")
    entered, left = _clock(row, "vru_entry"), _clock(row, "vru_exit")
    queued = _clock(row, "q_start") != _NEVER or _clock(row, "q_exit") != _NEVER
    if hung_up and not queued:
        raise Fault("hung up before joining the queue: the call never reached the desk")
    joined = _clock(row, "q_start") if queued else left
    if joined < entered - _DAY_S // 2:
        joined += _DAY_S
    waited = _seconds(row, "q_time") if queued else 0
    talked: int | None = None
    if not hung_up:
        talked = _seconds(row, "ser_time")
        if _clock(row, "ser_start") == _NEVER and _clock(row, "ser_exit") == _NEVER:
            intake.notes["services without times, handle time left out"] += 1
            talked = None
        if not served:
            intake.notes["services by nobody known, agent left out"] += 1
    return {
        "conversation_id": f"{row['vru+line']}-{row['call_id']}",
        "customer_id": None if row["customer_id"] == "0" else row["customer_id"],
        "channel": "voice",
        "intent": row["type"],
        "started_at": (_midnight(row) + timedelta(seconds=joined)).isoformat(),
        "wait_s": waited,
        "abandoned": hung_up,
        "handle_time_s": talked,
        "agent_id": row["server"] if served else None,
        "priority": row["priority"],
    }


def _clock(row: dict[str, str], name: str) -> int:
    found = _CLOCK.fullmatch(row[name])
    if found is None or int(found[1]) > 24:
        raise Fault(f"{name} is no time of day: found {row[name][:60]!r}; expected h:mm:ss")
    return int(found[1]) * 3600 + int(found[2]) * 60 + int(found[3])


def _seconds(row: dict[str, str], name: str) -> int:
    if not _SECONDS.fullmatch(row[name]):
        raise Fault(f"{name} is not a number: found {row[name][:60]!r}; expected whole seconds")
    value = int(row[name])
    if value < 0:
        raise Fault(f"{name} is out of range: found {value}; expected 0 or more")
    return value


def _midnight(row: dict[str, str]) -> datetime:
    try:
        if _DATE.fullmatch(row["date"]):
            return datetime.strptime(row["date"], "%y%m%d")
    except ValueError:
        pass
    raise Fault(f"date is no day: found {row['date'][:60]!r}; expected yymmdd")

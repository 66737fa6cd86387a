"""Hostile scenarios, overrides and calls: one message that says what is allowed, no traceback."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from simulator import __version__, cli
from simulator.errors import ScenarioError, ShadowdeskError
from simulator.scenario_file import load
from simulator.store import RunFolder

BASE = """
name = "b"
[history]
source = "chats.jsonl"
format = "jsonl"
[candidates.human]
kind = "human"
[candidates.bot]
kind = "guarded"
"""
DAY = "agents = 1, starts = 09:00:00, ends = 18:00:00"
KEYS = """
name history.source history.schedule history.timezone history.language history.redact
history.channel history.sample.days history.sample.seed history.assume.contacts_per_day
history.assume.arrival_profile history.assume.handle_time_log_sd history.assume.resolved_rate
history.assume.handle_time_chat_s candidates candidates.human candidates.human.kind
candidates.bot.kind candidates.bot.source candidates.bot.sees_policy candidates.bot.min_score
candidates.bot.prompt candidates.bot.model candidates.bot.price candidates.bot.labels
replay.sample rollout.stages rollout.segment_by rollout.hand_back_delay_s
rollout.value_tolerance rollout.diverged_contained assist.draft_saves_rate demand.day demand.scale
demand.peaks demand.bot_reply_s demand.recontact_delay_s demand.bot_quit_hazard
demand.max_attempts contact_center.teams contact_center.staffing contact_center.target_wait_s
contact_center.patience_mean_s contact_center.wrap_up_s contact_center.reading_chars_per_s
simulation.seed simulation.days simulation.processes simulation.outages money.currency
money.wage_per_hour money.shrinkage money.target_occupancy gates proposal knowledge commitments
history contact_center simulation demand money
""".split()
NEVER = ["inf", "-inf", "nan", "-1e-300", "1" + "0" * 400, "0x" + "f" * 5000, "9" * 5000]
ODD = [
    "-1",
    "0",
    "1e-300",
    "1e300",
    '"5"',
    '""',
    '"a\\u0000"',
    '"\udcff"',
    "true",
    "[]",
    "[[]]",
    "{}",
    "[{}]",
    "{ value = inf }",
    "{ value = 1, low = 2 }",
    "{ value = 1, high = nan }",
    "{ value = 0.5, low = -1 }",
    "{ value = 1, sauce = 'x' }",
    "{ low = 1 }",
    "10:00:00",
    "1979-05-27",
    "y" * 100_000,
]
# What stays open to any text, or takes true for a number of its own kind, is not among these.
NUMBERS = [
    key
    for key in KEYS
    if key.endswith(
        ("_s", "_rate", "_hour", "_day", "scale", "staffing", "hazard", "score", "seed")
    )
    or key in ("simulation.days", "replay.sample", "money.shrinkage", "demand.max_attempts")
]


@pytest.fixture
def attempt(tmp_path):
    def attempt(*overrides: str, text: str = BASE) -> str | None:
        """The message that refuses the scenario; None where it is accepted."""
        path = tmp_path / "pilot.toml"
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            load(path, overrides)
        except ShadowdeskError as error:
            said = str(error)
            assert "nput should" not in said
            assert "alue error" not in said
            assert max(map(len, said.splitlines())) < 600
            return said
        return None

    return attempt


@pytest.mark.parametrize("key", KEYS)
def test_exact_no_value_of_a_key_gives_a_traceback(attempt, key):
    for value in NEVER + ODD:
        attempt(f"{key}={value}")


@pytest.mark.parametrize("key", NUMBERS)
def test_exact_a_number_that_is_none_or_has_no_end_is_refused(attempt, key):
    for value in NEVER:
        assert attempt(f"{key}={value}") is not None


def teams(*inner: str) -> str:
    return f"contact_center.teams=[{', '.join('{ ' + one + ' }' for one in inner)}]"


REFUSED = {
    # override: what the message must say
    "contact_center.patience_mean_s=0": "= 0; expected 0 < x <= 604,800 (seconds; 7 days at most)",
    "contact_center.patience_mean_s=604801": "= 604801; expected 0 < x",
    "contact_center.reading_chars_per_s=0": "= 0; expected 0.1 <= x <= 1,000 (characters a second)",
    "contact_center.reading_cjk_chars_per_s=0": "expected 0.1 <= x",
    "contact_center.target_wait_s=1e6": "expected 0 <= x <= 604,800",
    "contact_center.staffing=0": "contact_center.staffing = 0; expected 0 < x <= 100",
    "contact_center.staffing=101": "expected 0 < x <= 100",
    "demand.scale=51": "demand.scale = 51; expected 0 < x <= 50",
    "demand.recontact_delay_s=1e12": "expected 0 <= x <= 604,800",
    "demand.bot_reply_s={ value = 1, high = 1e9 }": "demand.bot_reply_s.high = 1000000000; expect",
    "history.assume.contacts_per_day=0": "expected 0 < x <= 1,000,000",
    "history.assume.contacts_per_day=1000001": "expected 0 < x <= 1,000,000",
    "history.assume.arrival_profile=[" + "0," * 24 + "]": "expected at least one hour above 0",
    "history.assume.arrival_profile=[" + "1," * 23 + "]": "expected 24 numbers",
    "history.assume.arrival_profile=["
    + "1," * 23
    + "inf]": "arrival_profile[23] = inf; expected a",
    "history.timezone=localtime": "history.timezone = 'localtime'; expected an IANA time zone",
    "history.timezone=Factory": "expected an IANA time zone",
    "history.timezone=asia/taipei": "expected an IANA time zone",
    "history.language=Chinese!": "expected BCP 47",
    'history.source="a\\u0000b"': "expected a path in UTF-8, without the NUL",
    "history.source=" + "x" * 300: "between two slashes; found",
    "history.source=" + "x/" * 3000: "expected a path of at most 4,000 bytes",
    "history.schedule=" + "字" * 100: "between two slashes",
    "knowledge.source=" + "x" * 256: "knowledge.source = ",
    "money.wage_per_hour=-3": "money.wage_per_hour = -3; expected 0 <= x <= 1,000,000,000",
    "money.shrinkage=30": "money.shrinkage = 30; expected 0 <= x <= 0.99; write 0.3",
    "money.target_occupancy=0": "expected 0.01 <= x <= 1",
    "money.currency=usd": "expected three capital letters",
    "money.wage_per_hour=cheap": "expected a number, or a table with value, low, high and source",
    "rollout.segment_by=[]": "expected at least one of 'intent'",
    'rollout.segment_by=["intent", "intent"]': "each once",
    'rollout.stages=[{ name = "h" }, { name = "h" }]': "rollout.stages[1].name = 'h'; expected a",
    "rollout.stages=[]": "expected at least the baseline",
    'rollout.stages=[{ name = "h", auto_when = {} }]': "the first stage is the baseline",
    'gates=[{ metric = "saving_money", limit = inf }]': "gates[0].limit = inf; expected a finite",
    'gates=[{ metric = "settled_share", limit = 5 }]': "gates[0].limit = 5.0; expected 0 <= x <= 1",
    'gates=[{ metric = "saving_money", limit = 0 }, { metric = "saving_money", limit = 1 }]': (
        "pilot.toml: gates[1].metric = 'saving_money'; the metric stands in gates[0] already"
    ),
    'gates=[{ metric = "saving_money" }]': "gates[0].limit is missing; add limit = ... to [gate",
    teams(
        f'name = "all", shifts = [{{ {DAY} }}]'
    ): "contact_center.teams[0].name = 'all'; expected",
    teams(f'name = "a", shifts = [{{ {DAY} }}]', 'name = "b"'): "team b has no shifts",
    teams(
        'name = "a"', 'name = "a"'
    ): "contact_center.teams[1].name = 'a'; expected a name that no",
    teams(f'name = "a", shifts = [{{ {DAY.replace("= 1", "= 5001", 1)} }}]'): "1 <= x <= 5,000",
    teams(
        f'name = "a", shifts = [{{ {DAY}, break_min = 999 }}]'
    ): "expected 0 <= x <= 240 (minutes)",
    teams('name = "a", shifts = [{ agents = 1, starts = 9, ends = 18 }]'): "such as 09:30:00",
    teams(
        'name = "a", shifts = [{ agents = 1, starts = "09:00Z", ends = "18:00" }]'
    ): "without a zo",
    teams(
        'name = "a", shifts = [{ agents = 1, starts = 09:00:00, ends = 09:30:00, break_min = 30 }]'
    ): "teams[0].shifts[0].break_min = 30; expected less than the 30 min of the shift",
    "simulation.outages=[{ starts = 10:00:00, ends = 10:00:59 }]": "an outage of at least a minute",
    "simulation.outages=[{ starts = 10:00:00.5, ends = 11:00:00 }]": "in whole seconds",
    "simulation.outages=[{ starts = 25, ends = 26 }]": "expected a local time such as 09:30:00",
    'simulation.outages=[{ starts = "25:00", ends = "26:00" }]': "expected a local time such as",
    "demand.peaks=[{ starts = 10:00:00, ends = 11:00:00, factor = 1e9 }]": "expected 0 < x <= 50",
    'proposal={ candidate = "human", stage = "assist" }': (
        "pilot.toml: proposal.candidate = 'human'; expected one of 'bot'"
    ),
    'proposal={ candidate = "bot", stage = "human_only" }': (
        "proposal.stage = 'human_only'; expected one of 'assist', 'low_risk_auto', 'wider_auto'"
    ),
    'candidates={ x = { kind = "human" } }': "candidates.x.kind = 'human'; the candidate of kind",
    'candidates={ human = { kind = "faq_rag" } }': "candidates.human.kind = 'faq_rag'; the cand",
    "candidates={}": "expected at least one, such as [candidates.human]",
    'candidates={ "../x" = { kind = "faq_rag" } }': "expected a name",
    "candidates.bot.source=x": "candidates.bot.source = ",
    'candidates.bot={ kind = "faq_rag", sees_policy = false }': "bot.sees_policy = False",
    "simulation.seed=" + "9" * 5000: "a number of too many digits",
    "simulation.seed=" + "[" * 100_000: "nested too deeply",
    "simulation.seed=0x" + "f" * 5000: "int (too long to show); expected 0 <= x <=",
    "simulation.days=2.5": "simulation.days = 2.5; expected a whole number",
    "history.redact=perhaps": "expected true or false",
    "gates[99999999999].limit=1": "the scenario has no gates[99999999999]",
    "gates[" + "9" * 5000 + "].limit=1": "the scenario has no gates[999",
    "gates[7].limit=1": "the scenario has no gates[7]",
    "=3": "expected key=value",
    ".".join("a" * 100_000) + "=1": "nested too deeply",
    "name=\udcff": "not UTF-8",
}


@pytest.mark.parametrize("override", REFUSED, ids=range(len(REFUSED)))
def test_exact_a_refused_override_says_what_is_allowed(attempt, override):
    said = attempt(override)
    assert said is not None
    assert REFUSED[override] in said


@pytest.mark.parametrize(
    "override",
    [
        "contact_center.patience_mean_s=604800",
        "contact_center.target_wait_s=0",
        "contact_center.staffing=100",
        "demand.scale=50",
        "demand.recontact_delay_s=0",
        "history.assume.contacts_per_day=0.5",
        "history.assume.arrival_profile=[" + "0," * 23 + "1]",
        "history.language=zh-Hant",
        "history.source=" + "字" * 85,
        "money.shrinkage=0",
        'gates=[{ metric = "saving_money", limit = -500 }]',
        "simulation.seed=18446744073709551615",
        'simulation.outages=[{ starts = 10:00:00, ends = "10:01" }]',
        teams('name = "a"', 'name = "b"'),
        teams(f'name = "a", shifts = [{{ {DAY}, break_min = 60 }}]'),
        'proposal={ candidate = "bot", stage = "assist", segment = "refund" }',
        "name=中文",
    ],
)
def test_exact_the_ends_of_what_is_allowed_are_allowed(attempt, override):
    assert attempt(override) is None


def test_exact_staffing_counts_into_the_agents_of_a_shift(attempt):
    shift = teams(f'name = "a", shifts = [{{ {DAY.replace("= 1", "= 100", 1)} }}]')
    assert attempt(shift, "contact_center.staffing=50") is None
    said = attempt(shift, "contact_center.staffing=51")
    assert "teams[0].shifts[0].agents = 100; expected at most 5,000 agents a shift" in str(said)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a = " + "[" * 100_000, "nested too deeply"),
        (BASE + "[money]\nx = " + "[" * 300 + "]" * 300, "money.x: unknown key"),
        (".".join("a" * 100_000) + " = 1", "nested too deeply"),
        ("seed = " + "9" * 5000, "not TOML"),
        ("x = 0x" + "f" * 5000 + BASE, "x: unknown key; allowed: name, history"),
        ('name = "\ud800"', "not UTF-8"),
        ("\x00", "not TOML"),
        ("#" * 1_000_001, "more than 1,000,000 bytes"),
        ("", "name is missing; add name = ... to the top of the file"),
        (BASE + BASE, "not TOML"),
        ("history = 1\nname = 'a'\ncandidates = 5", "history = 1; expected a table"),
        ("history = 1\nname = 'a'\ncandidates = 5", "candidates = 5; expected a table"),
        (BASE.replace('"guarded"', "7"), "candidates.bot.kind = 7; expected 'human'"),
        (BASE.replace("[candidates.bot]", "[[candidates.bot]]"), "candidates.bot = ["),
        (BASE.replace("history", "histroy"), "histroy: unknown key; did you mean history?"),
    ],
    ids=range(15),
)
def test_exact_a_hostile_file_is_refused(attempt, text, says):
    assert says in str(attempt(text=text))


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pilot.toml").write_text(BASE)

    def call(*arguments: object) -> tuple[int, str]:
        """Exit code and standard error of a command, run through the real entry point."""
        monkeypatch.setattr(sys, "argv", ["shadowdesk", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        code = left.value.code
        assert isinstance(code, int)
        return code, capsys.readouterr().err

    return call


def manifest(folder: Path, **changes: object) -> Path:
    folder.mkdir(exist_ok=True)
    facts = {
        "stages": {},
        "scenario": {},
        "finished": True,
        "versions": {"shadowdesk": __version__},
    }
    (folder / "manifest.json").write_text(json.dumps({**facts, **changes}))
    return folder


LONG = "x" * 300
CALLS: dict[tuple[object, ...], str] = {
    ("run", "pilot.toml", "--out", LONG): "File name too long",
    ("run", "pilot.toml", "--out", "x/" * 3000): "File name too long",
    ("run", LONG): "File name too long",
    ("run", "pilot.toml", "--set", f"history.source={LONG}"): "between two slashes",
    ("run", "pilot.toml", "--out", "pilot.toml"): "is a file",
    ("run", "pilot.toml", "--out", "pilot.toml/x"): "cannot be",
    ("check", LONG): "File name too long",
    ("check", "a\x00b"): "embedded null byte",
    ("check", "."): "is a folder",
    ("check", "pilot.toml", "--set", f"history.source={LONG}"): "between two slashes",
    ("check", "pilot.toml", "--set", "history.source=pilot.toml/x"): "no such file or folder",
    ("import", LONG, "--format", "jsonl", "--out", "o"): "between two slashes",
    ("import", "a\x00b", "--format", "jsonl", "--out", "o"): "embedded null byte",
    ("import", "pilot.toml", "--format", "jsonl", "--out", LONG): "",
    ("import", "pilot.toml", "--format", "fax", "--out", "o"): "expected 'sample', 'jsonl'",
    ("import", "pilot.toml", "--format", "jsonl", "--out", "o", "--channel", "fax"): "'voice'",
    ("import", "pilot.toml", "--format", "jsonl", "--out", "o", "--timezone", "Factory"): "IANA",
    ("sample", "--out", "o", "--contacts-per-day", 300_000): (
        "sample: contacts_per_day = 300000; expected 10 <= x <= 200,000"
    ),
    ("sample", "--out", "o", "--days", 0): "sample: days = 0; expected 1 <= x <= 366",
    ("sample", "--out", "o", "--seed", 2**64): "sample: seed = 18446744073709551616; expected",
    ("sample", "--out", "o", "--conversations", 4): "sample: conversations = 4; expected 5 <=",
    ("gate", LONG): "File name too long",
    ("report", LONG): "File name too long",
    ("gate", "pilot.toml"): "no run there",
    ("report", "."): "no run there",
    ("gate",): "Missing argument",
}


@pytest.mark.parametrize("arguments", CALLS, ids=lambda one: " ".join(map(str, one))[:30])
def test_exact_a_hostile_call_is_one_message(call, arguments):
    code, said = call(*arguments)
    assert code == 2
    assert CALLS[arguments] in said
    assert "Traceback" not in said


MANIFESTS = {
    "not finished": ({"finished": False}, "is not finished; run the scenario again to the end"),
    "says nothing of being finished": ({"finished": None}, "is not finished"),
    "finished in words": ({"finished": "yes"}, "is not finished"),
    "a list of stages": ({"stages": []}, "not the manifest of a run"),
    "stages of another kind": ({"stages": {"history": 5}}, "not the manifest of a run"),
    "stages without outputs": ({"stages": {"history": {}}}, "not the manifest of a run"),
    "no scenario": ({"scenario": None}, "run the scenario again"),
    "another version": ({"versions": {"shadowdesk": "0.0.0"}}, "made by shadowdesk 0.0.0"),
    "no version": ({"versions": None}, "an unknown version"),
    "no tables": ({}, "no such table"),
}


@pytest.mark.parametrize("command", ["gate", "report"])
@pytest.mark.parametrize("fault", MANIFESTS)
def test_exact_gate_and_report_take_only_a_finished_run(call, tmp_path, command, fault):
    changes, says = MANIFESTS[fault]
    code, said = call(command, manifest(tmp_path / "run", **changes))
    assert code == 2
    assert says in said


@pytest.mark.parametrize("text", ["", "[" * 100_000, "[]", "null", "9" * 5000, "\x00"])
def test_exact_a_manifest_that_is_none(call, tmp_path, text):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "manifest.json").write_text(text)
    for command in (("gate", "run"), ("report", "run"), ("run", "pilot.toml", "--out", "run")):
        code, said = call(*command)
        assert code == 2
        assert "manifest" in said


def test_exact_a_gate_without_bots_says_so(call, tmp_path):
    from simulator.store import write_table
    from simulator.tables import empty

    write_table(RunFolder(manifest(tmp_path / "run")).table_path("gates"), empty("gates"))
    code, said = call("gate", "run")
    assert code == 2
    assert "no candidate besides human" in said


def test_exact_a_scenario_of_another_shape_in_a_manifest_is_a_scenario_fault(tmp_path):
    from simulator import pipeline

    run = RunFolder.open(manifest(tmp_path / "run", scenario={"name": 5}))
    with pytest.raises(ScenarioError, match=r"manifest\.json: name = 5; expected text"):
        pipeline.scenario_of(run)


@pytest.mark.skipif(os.name != "posix", reason="file names of bytes that are not UTF-8")
def test_exact_a_name_that_no_terminal_can_show(call, tmp_path):
    name = os.fsdecode(b"\xff.toml")
    (tmp_path / name).write_text(BASE)
    for arguments, says in (
        (("check", name), "no such file or folder"),
        (("run", "pilot.toml", "--out", name[:1]), "is not a name in UTF-8"),
        (("run", "pilot.toml", "--set", f"history.source={name}"), "not UTF-8"),
        (("import", name, "--format", "jsonl", "--out", "o"), "expected a path in UTF-8"),
        (("gate", name), "no run there"),
    ):
        code, said = call(*arguments)
        assert code == 2
        assert says in said

"""A first scenario from a history: true to the log, complete, and fit to run as it is."""

from __future__ import annotations

import csv
import json
import tomllib
from datetime import datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.history import observed, starters
from simulator.history.draft import Asked, draft
from simulator.scenario_file import load, validate
from tests.own_conversations import write as write_own
from tests.test_cli import assert_one_clear_message, shadowdesk

MONDAY = datetime(2026, 3, 2)


def chat(number, at, agent="a1", **more):
    return {
        "conversation_id": f"c{number}",
        "channel": "chat",
        "language": "en",
        "intent": "refund" if number % 4 else "delivery",
        "agent_id": agent,
        "started_at": at.isoformat() + "+08:00",
        "handle_time_s": 600,
        "messages": [
            {"role": "user", "content": "Where is my refund?"},
            {"role": "assistant", "content": "It is on its way."},
        ],
        **more,
    }


def two_weeks():
    """Two agents from Monday to Friday, 9 to 17, one on Saturday, 10 to 13; a chat a half-hour."""
    chats = []
    for day in range(14):
        at = MONDAY + timedelta(days=day)
        hours = {5: (10, 13), 6: (0, 0)}.get(at.weekday(), (9, 17))
        for hour in range(*hours):
            for minute in (0, 30):
                agent = "a1" if at.weekday() == 5 or minute else "a2"
                when = at + timedelta(hours=hour, minutes=minute)
                chats.append(chat(len(chats), when, agent))
    return chats


def write(path, chats):
    path.write_text("".join(json.dumps(one) + "\n" for one in chats), encoding="utf-8")
    return path


def drafted(source, **more):
    asked = Asked(source, source.parent / "first-look.toml", "first-look", **more)
    made = draft(asked)
    validate(tomllib.loads(made.text), "first-look.toml")
    return made


def test_exact_numbers_of_a_small_desk(tmp_path):
    made = drafted(write(tmp_path / "chats.jsonl", two_weeks()))
    data = tomllib.loads(made.text)
    # The log's own offset; the names of such zones count the other way round.
    assert data["history"] == {
        "source": "chats.jsonl",
        "format": "jsonl",
        "timezone": "Etc/GMT-8",
        "assume": {"resolved_rate": data["history"]["assume"]["resolved_rate"]}
        | {"complained_rate": data["history"]["assume"]["complained_rate"]},
    }
    desk = data["contact_center"]
    hours = [(str(o["opens"]), str(o["closes"]), o["days"]) for o in desk["opening"]]
    assert hours == [
        ("09:00:00", "17:00:00", ["mon", "tue", "wed", "thu", "fri"]),
        ("09:00:00", "17:00:00", ["sat"]),
    ] or hours == [("09:00:00", "17:00:00", ["mon", "tue", "wed", "thu", "fri", "sat"])]
    shifts = [
        (s["agents"], str(s["starts"]), str(s["ends"]), s["days"][0])
        for s in desk["teams"][0]["shifts"]
    ]
    assert shifts == [
        (2, "09:00:00", "17:00:00", "mon"),
        (1, "10:00:00", "13:00:00", "sat"),
    ]
    text = made.text
    assert "# 172 conversations, 344 messages." in text
    assert "From 2026-03-02 to 2026-03-14; 16 contacts on a median weekday" in text
    assert "refund 75.0 %, delivery 25.0 %" in text
    assert "Handle time of chats: 600 s, median of all 172" in text
    assert data["rollout"]["segment_by"] == ["intent"]
    assert set(data["candidates"]) == {"human", "guarded", "always_escalate"}
    missing = dict(made.missing)
    assert {"commitments.source", "knowledge.source", "money.wage_per_hour"} <= missing.keys()
    assert "history.assume.handle_time_chat_s" not in missing


def test_every_number_says_where_it_is_from(tmp_path):
    chats = two_weeks()
    for one in chats[::2]:
        del one["handle_time_s"]
        one["resolved"] = True
    made = drafted(write(tmp_path / "chats.jsonl", chats))
    assume = tomllib.loads(made.text)["history"]["assume"]
    assert assume["handle_time_chat_s"]["value"] == 600
    assert (
        assume["handle_time_chat_s"]["source"] == "mean of 86 chats of the log, and its quartiles"
    )
    assert assume["resolved_rate"] == {"value": 1, "source": "86 conversations of the log"}
    assert "the log has none for the\n# other 86" in made.text
    # What nobody counted is called assumed.
    assert "# Assumed: the log does not say who complained:" in made.text


def test_a_log_without_times_or_agents_is_drafted_too(tmp_path):
    bare = [{"conversation_id": f"c{n}", "messages": chat(n, MONDAY)["messages"]} for n in range(9)]
    made = drafted(write(tmp_path / "chats.jsonl", bare))
    data = tomllib.loads(made.text)
    assert data["history"]["assume"]["contacts_per_day"]["source"].startswith("assumed: ")
    assert "teams" not in data["contact_center"]
    assert "opening" not in data["contact_center"]
    missing = dict(made.missing)
    assert "history.assume.contacts_per_day" in missing
    assert "history.assume.handle_time_chat_s" in missing
    assert "history.language" in missing


def test_teams_are_by_skill_and_leave_none_to_nobody(tmp_path):
    chats = two_weeks()
    for one in chats:
        one["skill"] = "returns" if one["agent_id"] == "a1" else "parcels"
    path = write(tmp_path / "chats.jsonl", chats)
    teams = tomllib.loads(drafted(path).text)["contact_center"]["teams"]
    assert [(team["name"], team["skills"]) for team in teams] == [
        ("parcels", ["parcels"]),
        ("returns", ["returns"]),
    ]
    # A skill that is nobody's main one: one team that takes everything.
    chats[0]["skill"] = "legal"
    teams = tomllib.loads(drafted(write(path, chats)).text)["contact_center"]["teams"]
    assert [(team["name"], "skills" in team) for team in teams] == [("desk", False)]


def test_chats_at_once_are_counted():
    starts = [MONDAY, MONDAY + timedelta(seconds=100), MONDAY + timedelta(seconds=800)]
    frame = pl.DataFrame(
        {
            "channel": ["chat"] * 3,
            "agent_id": ["a"] * 3,
            "started_at": starts,
            "wait_s": [0.0, None, 0.0],
            "handle_time_s": [600.0, 600.0, 10.0],
        }
    )
    # The second begins beside the first, the third alone with what is left of neither.
    assert observed.most_at_once(frame) == (1, pytest.approx(1 / 3))
    assert observed.most_at_once(frame.clear()) == (1, 0.0)


def test_a_policy_that_was_filled_in_is_wired_in(tmp_path):
    path = write(tmp_path / "chats.jsonl", two_weeks())
    made = starters.write(tmp_path, starters.FILES)
    assert sorted(one.name for one in made) == ["articles.csv", "promises.csv"]
    # As it was written it is an example, by whose rules nobody should be judged.
    assert drafted(path).wired == frozenset()
    with (tmp_path / "promises.csv").open("a", encoding="utf-8") as file:
        file.write("ours,refund,refund,,never,,,,,,auto,,\n")
    again = drafted(path)
    assert again.wired == {"commitments"}
    assert tomllib.loads(again.text)["commitments"] == {"source": "promises.csv"}
    # Nothing of the user's is written over.
    assert starters.write(tmp_path, starters.FILES) == []


def test_the_starter_files_are_what_their_tables_take(tmp_path):
    from simulator.history.commitments_policy import load_policy
    from simulator.history.knowledge import load_knowledge

    starters.write(tmp_path, starters.FILES)
    policy = load_policy(tmp_path / "promises.csv")
    assert policy["rule_id"].str.starts_with("example-").all()
    assert set(policy["allowed"]) == {"always", "conditional", "never"}
    assert load_knowledge(tmp_path / "articles.csv").height == 3


@settings(max_examples=15, deadline=None)
@given(st.text(max_size=60), st.text(max_size=60))
def test_whatever_a_log_holds_the_draft_is_a_scenario(tmp_path_factory, intent, skill):
    folder = tmp_path_factory.mktemp("any")
    chats = two_weeks()[:40]
    for number, one in enumerate(chats):
        one["intent"] = intent if number % 2 else None
        one["skill"] = skill
    path = folder / "chats.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in chats), encoding="utf-8")
    drafted(path)


def test_from_an_empty_folder_to_a_report(tmp_path):
    write_own(tmp_path / "own.csv")
    done = shadowdesk("new", "own.csv", "--timezone", "Asia/Taipei", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "shadowdesk run first-look.toml" in done.stdout
    for name in ("first-look.toml", "scenario.schema.json", "promises.csv", "articles.csv"):
        assert (tmp_path / name).is_file()
    again = shadowdesk("new", "own.csv", cwd=tmp_path)
    assert_one_clear_message(again, "first-look.toml", "--force")
    checked = shadowdesk("check", "first-look.toml", cwd=tmp_path)
    assert checked.returncode == 0, checked.stderr
    assert "no [commitments]" in checked.stderr
    ran = shadowdesk("run", "first-look.toml", "--set", "simulation.days=2", "--json", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    answer = json.loads(ran.stdout)
    assert (tmp_path / answer["report"]).is_file()
    assert {row["candidate"] for row in answer["recommendation"]} == {"guarded", "always_escalate"}


def test_two_tables_with_all_that_lies_beside_them(tmp_path):
    made = ("--conversations=40", "--days=7", "--contacts-per-day=60", "--out=made")
    assert shadowdesk("sample", *made, cwd=tmp_path).returncode == 0
    for name in ("conversations", "turns"):
        frame = pl.read_parquet(tmp_path / f"made/{name}.parquet")
        frame.write_csv(tmp_path / f"made/{name}.csv")
        (tmp_path / f"made/{name}.parquet").unlink()
    done = shadowdesk("new", "made", "--out", "pilot.toml", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["next"] == ["shadowdesk check pilot.toml", "shadowdesk run pilot.toml"]
    # All of it is there: nothing has to be made up.
    assert not (tmp_path / "promises.csv").exists()
    one = load(tmp_path / "pilot.toml")
    assert (one.name, one.history.format) == ("pilot", "csv")
    assert one.history.schedule == tmp_path / "made/schedule.parquet"
    assert one.commitments is not None
    assert "faq_rag" in one.candidates
    ran = shadowdesk("run", "pilot.toml", "--set", "simulation.days=1", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr


BROKEN = {
    "empty.csv": ("", "empty"),
    "words.txt": ("hello there\n", "words.txt"),
    "agents.csv": ("ticket,from,body\n1,agent,hello\n", "no conversation has a turn of a customer"),
    "half.jsonl": ("{half", "half.jsonl"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_log_is_one_clear_message_and_leaves_nothing(tmp_path, name):
    text, says = BROKEN[name]
    (tmp_path / name).write_text(text)
    assert_one_clear_message(shadowdesk("new", name, cwd=tmp_path), says)
    assert [one.name for one in tmp_path.iterdir()] == [name]


def test_a_mistyped_format_has_a_near_one(tmp_path):
    write(tmp_path / "chats.jsonl", two_weeks()[:3])
    done = shadowdesk("new", "chats.jsonl", "--format", "jsnl", cwd=tmp_path)
    assert_one_clear_message(done, "did you mean jsonl?")


@pytest.mark.parametrize(
    ("source", "format_", "segments"),
    [
        ("twitter-support/conversations.json.gz", "twitter-cdp", ["skill"]),
        ("weibo-helpdesk/conversations.json.gz", "stc3", None),
        ("tau2-airline/gpt-4o.json.gz", "tau2", None),
    ],
)
def test_real_logs_are_recognised_and_drafted(real_data, tmp_path, source, format_, segments):
    made = draft(Asked(real_data / source, tmp_path / "first-look.toml", "first-look"))
    (tmp_path / "first-look.toml").write_text(made.text, "utf-8")
    one = load(tmp_path / "first-look.toml")
    assert one.history.format == format_
    assert tomllib.loads(made.text).get("rollout", {}).get("segment_by") == segments
    assert "history.assume.handle_time_chat_s" in dict(made.missing)


def test_calls_without_words_are_for_the_back_test(real_data, tmp_path):
    import gzip

    # The beginning of it is enough to tell.
    with gzip.open(real_data / "bank-calls/january-1999.tsv.gz", "rt", encoding="latin-1") as file:
        lines = [next(file) for _ in range(2000)]
    (tmp_path / "calls.tsv").write_text("".join(lines), "latin-1")
    done = shadowdesk("new", "calls.tsv", cwd=tmp_path)
    assert_one_clear_message(done, "shadowdesk backtest")


def test_the_csv_of_a_newcomer_is_read_whole(tmp_path):
    write_own(tmp_path / "own.csv")
    with (tmp_path / "own.csv").open(encoding="utf-8-sig", newline="") as file:
        ids = {row["Ticket ID"] for row in csv.DictReader(file)} - {""}
    made = drafted(tmp_path / "own.csv")
    assert f"# {len(ids)} conversations" in made.text

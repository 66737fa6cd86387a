"""What an export says of itself: the account that is printed, and the README beside the files."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import polars as pl

from simulator.boundary.choose import KEPT
from simulator.boundary.formats import Rows
from simulator.boundary.split import Split

WIDTH = 100
# Below that many pairs nobody should expect anything of preferences.
_FEW_PAIRS = 50


class Account(NamedTuple):
    """What an export was made of.

    Attributes:
        run: name of the run.
        scenario: name of its scenario.
        synthetic: whether its history is the built-in sample.
        timezone: IANA name.
        held_out_runs: names of the runs that nothing exported may be replayed in.
        form: llamafactory or trl.
        prompt: name of the prompt file.
        split: where conversations went.
        counts: of :func:`simulator.boundary.choose.choose`.
        spare: by action in ``KEPT``, how many the cap left out.
        shared: exported points that end in words of the customer, folded, that end a held-out
            point too.
        cases: table ``boundary_cases``, exported ones.
        rows: what each part holds.
        redacted: replaced values by kind.
        versions: of shadowdesk and of what the replay depended on.
    """

    run: str
    scenario: str
    synthetic: bool
    timezone: str
    held_out_runs: tuple[str, ...]
    form: str
    prompt: str
    split: Split
    counts: pl.DataFrame
    spare: Mapping[str, int]
    shared: int
    cases: pl.DataFrame
    rows: Mapping[str, Rows]
    redacted: Mapping[str, int]
    versions: Mapping[str, str]


def lines(one: Account) -> list[str]:
    """The account, no line longer than 100 characters."""
    split = one.split
    found = [
        f"Cut: {split.day} 00:00 {one.timezone}. Exported: {len(split.train) + len(split.dev):,} "
        f"conversations that ended before it ({len(split.dev):,} of them, the last by time, are "
        "the dev part).",
        f"Held out: {len(split.held_out):,} that began later{_also(one)}.",
        *_since(split),
        "",
        *_kinds(one.counts, one.cases),
        _overlap(one),
        "",
        _tally("reason", one.cases["reason"].fill_null("no pair")),
        _tally("language", one.cases["language"].fill_null("unknown")),
        _tally("intent", one.cases["intent"].fill_null("unknown")),
        _tally("chosen action", one.cases["chosen_action"]),
        _tally("known by", one.cases["known_by"]),
        kept(one.cases, one.spare),
        _rewards(one),
        "",
        *(_part(name, rows) for name, rows in one.rows.items()),
        "Redacted here (what the import replaced is replaced): "
        + (", ".join(f"{n:,} {kind}" for kind, n in sorted(one.redacted.items())) or "nothing")
        + ".",
        *_few(one),
        "A pair of two conversations says what went with a better outcome, not what caused it: who "
        "asks the same is not the same customer.",
    ]
    return [line for text in found for line in _wrapped(text)]


def _few(one: Account) -> list[str]:
    pairs = len(one.rows["train"].dpo) if "train" in one.rows else 0
    if pairs >= _FEW_PAIRS:
        return []
    return [
        f"WARNING: {pairs:,} preference pairs to train on; a boundary is not moved by so few. Give "
        "more history, a promise policy and labels."
    ]


def _wrapped(text: str) -> list[str]:
    if len(text) <= WIDTH:
        return [text]
    return textwrap.wrap(text, WIDTH, subsequent_indent="  ", break_on_hyphens=False)


def _also(one: Account) -> str:
    split = one.split
    parts = [
        (split.astride, "that lie astride the cut"),
        (split.undated, "without a start"),
        (split.elsewhere, f"that {', '.join(one.held_out_runs) or 'another run'} replays"),
    ]
    said = [f"{len(ids):,} {what}" for ids, what in parts if ids]
    runs = f"; and all that {', '.join(one.held_out_runs)} replays" if one.held_out_runs else ""
    return runs + (f"; left out: {', '.join(said)}" if said else "")


def _since(split: Split) -> list[str]:
    if not split.held_out:
        return []
    return [
        "To replay what is held out alone, write into the scenario:",
        "  [replay]",
        f"  since = {split.day}",
    ]


def _kinds(counts: pl.DataFrame, cases: pl.DataFrame) -> list[str]:
    heads = ("found", "duplicates", "overlapping", "over the cap", "exported", "by rules")
    found = [f"{'kind':<20}" + "".join(f"{head:>13}" for head in heads)]
    guessed = Counter(cases.filter(pl.col("known_by") == "rules")["kind"].to_list())
    rows = [(*row, guessed[row[0]]) for row in counts.iter_rows()]
    total = (*counts.drop("kind").sum().row(0), guessed.total())
    for kind, *numbers in [*rows, ("all", *total)]:
        found.append(f"{kind.replace('_', ' '):<20}" + "".join(f"{n:>13,}" for n in numbers))
    return [*found, "by rules: exported ones of which the rules judge alone says what was right."]


def _overlap(one: Account) -> str:
    dropped = one.counts["overlapping"].sum()
    points = one.cases.select("conversation_id", "turn").n_unique()
    return (
        f"Overlapping: {dropped:,} cases dropped, since a held-out conversation reads the same up "
        f"to that point (numbers, case and greetings folded). Of {points:,} exported points "
        f"{one.shared:,} end in words of the customer that a held-out one ends in too: short "
        "follow-ups recur in any log."
    )


def _tally(name: str, words: pl.Series) -> str:
    counted = sorted(Counter(words.to_list()).items(), key=lambda one: (-one[1], one[0]))
    return f"by {name}: " + ", ".join(f"{word.replace('_', ' ')} {n:,}" for word, n in counted)


def kept(cases: pl.DataFrame, spare: Mapping[str, int]) -> str:
    """How many hand-overs and silences there are, and why not more.

    Args:
        cases: table ``boundary_cases``, exported ones.
        spare: by action, how many the cap left out.
    """
    said = []
    for action, share in KEPT.items():
        n = cases.filter(pl.col("chosen_action") == action).height
        what = "hand-overs" if action == "escalate" else '"I don\'t know"'
        more = f"{spare[action]:,} more are over the cap" if spare[action] else "there are no more"
        fewer = "" if n >= share * cases.height else f" (wanted {share:.0%}: {more})"
        said.append(f"{what} {n:,}, {n / max(1, cases.height):.0%} of the rows{fewer}")
    return "kept on purpose: " + "; ".join(said)


def _rewards(one: Account) -> str:
    rewards = [row["reward"] for rows in one.rows.values() for row in rows.rewards]
    good, bad = sum(r > 0 for r in rewards), sum(r < 0 for r in rewards)
    return f"rewards: {len(rewards):,} replies, {good:,} above 0, {bad:,} below"


def _part(name: str, rows: Rows) -> str:
    good = sum(row["label"] for row in rows.kto)
    return (
        f"{name}: {len(rows.sft):,} SFT rows, {len(rows.dpo):,} preference pairs, "
        f"{len(rows.kto):,} KTO rows ({good:,} desirable), {len(rows.rewards):,} rewards"
    )


_LLAMAFACTORY = """\
    llamafactory-cli train SFT.yaml dataset_dir={out} dataset=sft_train eval_dataset=sft_dev
    llamafactory-cli train DPO.yaml dataset_dir={out} dataset=dpo_train eval_dataset=dpo_dev

Set `mask_history: true` for SFT: only what is said last is meant as an example. What the
incumbent said earlier in the conversation stands there as it was, promises included. `stage: kto`
takes `kto_train`, a reward model (`stage: rm`) `dpo_train`, and PPO the model that this gives.
"""
_TRL = """\
    from datasets import load_dataset
    rows = load_dataset("json", data_files={"train": "dpo/train.jsonl", "dev": "dpo/dev.jsonl"})
    DPOTrainer(model, args=DPOConfig(...), processing_class=tokenizer, train_dataset=rows["train"])

`SFTTrainer` takes `sft/`, `KTOTrainer` `kto/`. `rewards/` holds prompts with replies and what they
are worth, for a reward function of `GRPOTrainer` or a reward model.
"""
_README = """\
# Boundary cases of {run}

Training data at the boundary of what a bot should say, for {form}. Made by shadowdesk {version}
from run `{run}` (scenario `{scenario}`: {history}).
Asked with prompt file `{prompt}`, with which the tuned model is to be replayed.

```
{account}
```

## Files

| File | What a row is |
| --- | --- |
{files}
| `provenance.jsonl` | where each row comes from: file, position, row id, conversation, turn, \
kind, reason, whose words, what the choice rests on |
| `held_out.csv` | conversations that nothing here comes from, with the run that replays them; \
evaluate on these |
| `manifest.json` | what this export was made with |

Kinds of cases: *answered wrongly*: the incumbent answered, and should have handed over, asked,
calmed, or not promised. *Held back rightly*: it handed over or said that it does not know, and was
right. *Mandated wording*: the policy says in which words. *Handled differently*: the same question
was handled in different ways, and ended differently. *Decided rightly*, at most as many as of the
others together: it answered, asked or calmed where that was called for. Without these a tuned model
learns to hold back always.

## How to train

{train}
## Rewards

A prompt has one SFT row, and one pair for each reason. KTO takes no reply that a pair rejects as
desirable, nor one that a pair or an SFT row chooses as undesirable.

The worth of a reply is a sum of what is known of it, cut off at -1 and 1: risky promise -1; missed
escalation -0.8; answered without what it takes -0.6; needless escalation -0.4; another decision
than called for -0.3; the decision that was called for +0.6; a tone other than apt -0.2. KTO rows
are replies above 0.1 (desirable) and below -0.1; those between are left out.

## What this cannot show

- Where nobody labelled, the rules judge decides what was called for, and it errs; `known_by` says
  which it was. In a synthetic operation labels are drawn from its own truth, not made by people.
- Outcomes went with what was said. They were not caused by it: a pair of two conversations is
  about two customers. Only what was known before the cut counts as an outcome: a customer may have
  come back later, in a conversation that is held out.
- Words that nobody said at a point are borrowed from another one, or are the policy's, or a
  candidate's that it says elsewhere too;
  `chosen_from` says whose they are. Of a borrowed reply that asks, only the question is there.
- The conversations held out are of the same operation, days later. Nothing here says how a tuned
  model does elsewhere.
- E-mail addresses and phone numbers are replaced by pseudonyms. Names and addresses in free text
  are not found.
- Marks of chat templates that somebody wrote (such as an end of message) are spelt apart, as the
  replay does.
"""


def readme(one: Account, files: Mapping[str, bytes]) -> str:
    """The README that lies beside the files, in Markdown."""
    what = {
        "sft": "a conversation with the reply that is right at its end",
        "dpo": "a conversation, a better and a worse reply",
        "kto": "a conversation with one reply, desirable or not",
        "rewards": "a conversation with one reply, what it is worth, and why",
    }
    listed = [
        f"| `{path}` | {text} |"
        for path in sorted(files)
        for stage, text in what.items()
        if path.startswith(stage)
    ]
    if "dataset_info.json" in files:
        listed.append("| `dataset_info.json` | the index that LLaMA-Factory reads |")
    train = _LLAMAFACTORY.format(out="DIR") if one.form == "llamafactory" else _TRL
    return _README.format(
        run=one.run,
        scenario=one.scenario,
        history="a synthetic operation" if one.synthetic else "a log",
        form="LLaMA-Factory" if one.form == "llamafactory" else "TRL",
        version=one.versions["shadowdesk"],
        prompt=one.prompt,
        account="\n".join(lines(one)),
        files="\n".join(listed),
        train=train,
    )

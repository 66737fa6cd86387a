"""Each stage with its inputs, its settings and its outputs; no logic of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

import polars as pl

from simulator.backends import PASSING
from simulator.candidates import Materials, make
from simulator.candidates.human import logged
from simulator.contact_center import simulate
from simulator.contact_center.backtest.halves import backtest
from simulator.history import load as history_load
from simulator.judging.contexts import judge_contexts
from simulator.judging.conversations import judge_conversations
from simulator.judging.llm_judge import incomplete
from simulator.judging.llm_judge import make as make_judge
from simulator.judging.replies import judge_replies
from simulator.pipeline.assumptions import assumptions
from simulator.pipeline.audited import current_labels
from simulator.pipeline.consequences import priced, rolled_out
from simulator.pipeline.desk import simulated
from simulator.pipeline.evidence import INPUTS as EVIDENCE_INPUTS
from simulator.pipeline.evidence import OUTPUTS as EVIDENCE_OUTPUTS
from simulator.pipeline.evidence import settings_of, tested
from simulator.pipeline.judging import judged_by_models
from simulator.pipeline.staffing import TABLES as STAFFING
from simulator.pipeline.staffing import Kept, staffed
from simulator.pipeline.what_if import INPUTS as WHAT_IF_INPUTS
from simulator.pipeline.what_if import ask
from simulator.replay.decision_points import decision_points
from simulator.replay.kept import KeptReplies
from simulator.replay.runner import replay
from simulator.replay.sampling import sampled
from simulator.scenario import Candidate, Model, Scenario, Staffing
from simulator.store import RunFolder, fingerprint, write_bytes
from simulator.streams import Streams
from simulator.tables import build, conform, empty

Frames = Mapping[str, pl.DataFrame]
Tell = Callable[[str, int, int], None]
_BACKTEST_REPLICATIONS = 20
_POINT = ["conversation_id", "turn"]
# What the customers of a simulated day are made of.
_OF_CUSTOMERS = ["decisions", "settlements", "shadow", "contexts", "conversations", "replayed"]
_OF_CUSTOMERS += ["decision_points", "schedule", "teams"]


class StaffingAsked(Model):
    """What to staff for; without candidate or stage for all of them."""

    rules: Staffing
    candidate: str | None = None
    stage: str | None = None


class Count:
    """Tells how much of a stage is done, from how much more each time.

    Args:
        tell: told of steps done and steps in all.
        done: before the first call.
        total: steps in all.
    """

    def __init__(self, tell: Callable[[int, int], None], done: int, total: int) -> None:
        self.tell, self.done, self.total = tell, done, total

    def more(self, n: int) -> None:
        """``n`` more are done."""
        self.done += n
        self.tell(self.done, self.total)


class Steps:
    """A run under way: each method is a stage with its inputs, settings and outputs."""

    def __init__(self, scenario: Scenario, folder: RunFolder, tell: Tell) -> None:
        self.scenario, self.folder, self.tell = scenario, folder, tell
        self.streams = Streams(scenario.simulation.seed)
        self.bots = {n: c for n, c in scenario.candidates.items() if c.kind != "human"}

    def in_order(self) -> list[Callable[[], None]]:
        """The stages in the order in which they run."""
        return [
            self.history,
            self.backtest,
            self.points,
            self.contexts,
            self.replay,
            self.verdicts,
            self.model_verdicts,
            self.rollout,
            self.contact_center,
            self.staffing,
            self.money,
            self.what_if,
            self.evidence,
            self.assumed,
        ]

    def _stage(
        self,
        inputs: list[str],
        settings: Any,
        outputs: list[str],
        work: Callable[[], Frames],
    ) -> None:
        seed = self.scenario.simulation.seed
        known = fingerprint(code(), self.folder.outputs_of(*inputs), settings, seed)
        self.folder.stage(outputs[0], known, outputs, work)

    def _read(self, *names: str) -> Iterator[pl.DataFrame]:
        return (self.folder.table(name) for name in names)

    def history(self) -> None:
        """What happened, what was known, what may be promised; gaps supplied."""
        scenario = self.scenario
        one = scenario.history
        tables = (scenario.knowledge, scenario.commitments)
        paths = [one.source, one.schedule, *(table and table.source for table in tables)]
        settings = [
            one.model_dump(mode="json"),
            [history_load.content(path, one.format) if path else None for path in paths],
        ]

        def work() -> Frames:
            loaded = history_load.load(scenario, simulate, self.streams)
            aside = "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in loaded.quarantine)
            write_bytes(self.folder.path / "quarantine.jsonl", aside.encode("utf-8", "replace"))
            self.folder.note(account=loaded.account)
            return loaded.tables

        self._stage([], settings, list(history_load.TABLES), work)

    def backtest(self) -> None:
        """Whether the desk's model agrees with the operation's own history."""
        inputs = ["conversations", "schedule", "teams"]
        one = self.scenario

        def work() -> Frames:
            conversations, schedule, teams = self._read(*inputs)
            tested = backtest(
                conversations,
                _some(schedule),
                one.contact_center,
                one.history.zone,
                self.streams,
                teams=_some(teams),
                replications=_BACKTEST_REPLICATIONS,
                tell=partial(self.tell, "backtest"),
            )
            return tested._asdict()

        settings = [one.contact_center.model_dump(mode="json"), one.history.timezone]
        self._stage(inputs, settings, ["backtest", "backtest_days"], work)

    def points(self) -> None:
        """Where candidates have to decide, and which conversations are replayed."""

        def work() -> Frames:
            turns, conversations = self._read("turns", "conversations")
            found = decision_points(turns, conversations)
            size, since = one.replay.sample, one.replayed_from
            kept, weighted = sampled(found, conversations, size, self.streams, since)
            there = kept.select("conversation_id").unique(maintain_order=True)
            weights = weighted.with_columns(pl.col("weight").fill_null(1.0))
            replayed = there.join(weights, on="conversation_id").sort("conversation_id")
            return {"decision_points": kept, "replayed": conform("replayed", replayed)}

        one = self.scenario
        settings = [one.replay.sample, str(one.replayed_from)]
        self._stage(["turns", "conversations"], settings, ["decision_points", "replayed"], work)

    def contexts(self) -> None:
        """What each point is about, judged from the turns up to it."""
        inputs = ["decision_points", "turns", "conversations"]
        self._stage(
            inputs, None, ["contexts"], lambda: {"contexts": judge_contexts(*self._read(*inputs))}
        )

    def replay(self) -> None:
        """What every candidate says at every point, and what asking took."""
        inputs = ["decision_points", "turns", "conversations", "contexts"]
        materials = ["knowledge", "commitments_policy"]
        answerers = {name: make(bot, self._materials(bot)) for name, bot in self.bots.items()}
        settings = {n: fingerprint(*one.identity, one.asks) for n, one in answerers.items()}

        def work() -> Frames:
            points, turns, conversations, contexts = self._read(*inputs)
            shadows, accounts = [logged(points)], [empty("replay_account")]
            for number, (name, answerer) in enumerate(answerers.items()):
                done = number * points.height
                kept = self.folder.path / "parts" / "replay" / f"{name}.sqlite"
                with closing(KeptReplies(kept)) as replies:
                    found = replay(
                        name,
                        answerer,
                        points,
                        turns,
                        conversations,
                        contexts,
                        replies,
                        Count(
                            partial(self.tell, "replay"), done, len(self.bots) * points.height
                        ).more,
                    )
                shadows.append(found.shadow)
                accounts.append(found.account)
            return {"shadow": pl.concat(shadows), "replay_account": pl.concat(accounts)}

        self._stage(inputs + materials, settings, ["shadow", "replay_account"], work)
        if self.folder.table("shadow")["error"].is_in(PASSING).any():
            self.folder.forget("shadow")

    def _materials(self, bot: Candidate) -> Materials:
        knowledge, policy = self._read("knowledge", "commitments_policy")
        return Materials(knowledge, policy if bot.sees_policy else policy.clear())

    def verdicts(self) -> None:
        """What each reply promises, and whether it may."""
        inputs = ["shadow", "decision_points", "contexts", "conversations"]
        materials = ["commitments_policy", "knowledge"]

        def work() -> Frames:
            judged = judge_replies(*self._read(*inputs), *map(_some, self._read(*materials)))
            shadow, contexts = self._read("shadow", "contexts")
            whole = judge_conversations(shadow, judged, contexts)
            return {"verdicts": judged, "conversation_verdicts": whole}

        outputs = ["verdicts", "conversation_verdicts"]
        self._stage(inputs + materials, None, outputs, work)

    def model_verdicts(self) -> None:
        """What language models say of the replies, where the scenario asks any."""
        inputs = ["shadow", "decision_points", "turns", "conversations", "commitments_policy"]
        judges = [make_judge(name, one) for name, one in self.scenario.judging.llm.items()]
        settings = [[one.name, one.config.candidates, one.config.sample] for one in judges]

        def work() -> Frames:
            tell = partial(self.tell, "model_verdicts")
            about = (self.folder.table, self.folder, self.streams)
            return {"model_verdicts": judged_by_models(judges, *about, tell)}

        self._stage(inputs, settings, ["model_verdicts"], work)
        if incomplete(self.folder.table("model_verdicts")):
            self.folder.forget("model_verdicts")

    def rollout(self) -> None:
        """Who handles each turn at each stage, and how far replay can tell."""
        inputs = ["decision_points", "conversations", "contexts", "shadow", "verdicts"]
        one, read = self.scenario, self.folder.table
        settings = one.rollout.model_dump(mode="json", include={"stages", "value_tolerance"})
        work = partial(rolled_out, one, read)
        self._stage(inputs, settings, ["decisions", "settlements"], work)

    def contact_center(self) -> None:
        """Customers, and what they do to the human desk."""
        outputs = ["contacts", "kpis", "intervals", "desk_hours", "roster", "hours", "volumes"]
        outputs += ["assumed_desk", "checks", "horizon", "trace"]
        one = self.scenario
        settings = [
            part.model_dump(mode="json", exclude={"processes"})
            for part in (one.rollout, one.assist, one.demand, one.contact_center, one.simulation)
        ] + [
            one.history.assume.model_dump(mode="json"),
            one.history.timezone,
            one.staffing.target_share,
        ]
        self._stage([*_OF_CUSTOMERS, "verdicts"], settings, outputs, self._simulated)

    def _simulated(self) -> Frames:
        return simulated(
            self.scenario,
            self.folder.table,
            self.streams,
            code(),
            self.folder.parts("simulation"),
            partial(self.tell, "contact_center"),
        )

    def staffing(self, asked: StaffingAsked | None = None) -> None:
        """The fewest agents for each stage, where somebody has asked for them.

        What was asked for is kept in the manifest. A later run keeps the answer while it is about
        the same customers, and drops it when it is not.
        """
        inputs = [*_OF_CUSTOMERS, "roster", "hours"]
        one = self.scenario
        kept = self.folder.manifest.get("staffing")
        request = kept if asked is None else asked.model_dump(mode="json")
        parts = (one.rollout, one.assist, one.demand, one.contact_center, one.simulation, one.money)
        customers = [
            [part.model_dump(mode="json", exclude={"processes"}) for part in parts],
            one.history.timezone,
            one.history.assume.model_dump(mode="json"),
        ]

        def work() -> Frames:
            if asked is None:
                self.folder.note(staffing=None)
                return {name: empty(name) for name in STAFFING}
            found = staffed(
                one,
                self.folder.table,
                asked.rules,
                asked.candidate,
                asked.stage,
                # A cell that was staffed for the same customers and target is not staffed again.
                Kept(
                    self.folder.parts("staffing"),
                    fingerprint(code(), self.folder.outputs_of(*inputs), customers, asked.rules),
                ),
                partial(self.tell, "staffing"),
            )
            # Only an answer takes the place of an earlier one; money and gates are behind now.
            self.folder.note(staffing=request, finished=False)
            return found

        self._stage(inputs, [*customers, request], list(STAFFING), work)

    def money(self) -> None:
        """What a day costs."""
        one = self.scenario
        cards = one.cards()
        inputs = ["kpis", "volumes", "desk_hours", "horizon", "staffing_hours", "replay_account"]
        settings = [
            one.money.model_dump(mode="json"),
            {name: card.model_dump(mode="json") for name, card in cards.items()},
            [g.model_dump(mode="json") for g in one.gates],
            one.rollout.diverged_contained.value,
            [one.simulation.days, one.simulation.replications],
        ]
        self._stage(inputs, settings, ["costs"], partial(priced, one, self.folder.table))

    def what_if(self) -> None:
        """What would become of the proposal with one thing changed."""
        one = self.scenario
        dumped = one.model_dump(mode="json", exclude={"candidates", "judging", "history"})
        settings = [dumped, one.history.timezone, one.history.assume.model_dump(mode="json")]

        def work() -> Frames:
            about = (one, self.folder.table, self.streams, code())
            parts = self.folder.parts("what_if")
            return {"what_if": ask(*about, parts, partial(self.tell, "what_if"))}

        self._stage(list(WHAT_IF_INPUTS), settings if one.what_if else None, ["what_if"], work)

    def evidence(self) -> None:
        """Labels, gates, what counts in support, and how far the rollout may go."""
        audits = current_labels(self.folder)
        today = datetime.now(UTC).date()
        settings = [*settings_of(self.scenario, today), fingerprint(audits)]

        def work() -> Frames:
            return tested(self.scenario, self.folder.table, self.streams, audits, today)

        self._stage(list(EVIDENCE_INPUTS), settings, list(EVIDENCE_OUTPUTS), work)

    def assumed(self) -> None:
        """What was assumed, all in one table."""
        log, desk = self._read("assumed_log", "assumed_desk")
        rows = assumptions(self.scenario)
        assumed = pl.concat([log, desk, build("assumed", rows)]).unique(
            "name", keep="first", maintain_order=True
        )
        self._stage(
            ["assumed_log", "assumed_desk"], rows, ["assumed"], lambda: {"assumed": assumed}
        )


def _some(frame: pl.DataFrame) -> pl.DataFrame | None:
    """An empty table means that there is none."""
    return frame if frame.height else None


@cache
def code() -> str:
    """Digest of the product's own code: another version runs every stage again."""
    root = Path(__file__).parent.parent
    suffixes = {".py", ".toml"}
    sources = sorted(p for p in root.rglob("*") if p.suffix in suffixes and p.is_file())
    return fingerprint(
        [str(p.relative_to(root)) for p in sources], *(p.read_bytes() for p in sources)
    )

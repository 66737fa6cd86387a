"""The order of the stages, and nothing else.

history -> decision points -> contexts -> replay -> verdicts -> rollout -> demand and contact centre
-> money -> evidence and gates -> reports. A stage runs again only if what it depends on changed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cache, partial
from importlib import metadata
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from simulator import __version__, economics, gates, reports
from simulator.candidates import Materials
from simulator.candidates.human import logged
from simulator.contact_center import simulate, with_outages
from simulator.contact_center.cells import Desk, draws_of, run_cells
from simulator.contact_center.sizing import presence
from simulator.history import load as history_load
from simulator.history import sample
from simulator.history.assume import assumed_row
from simulator.history.commitments_policy import load_policy
from simulator.judging import audit
from simulator.judging.authority import Policy
from simulator.judging.contexts import judge_contexts
from simulator.judging.replies import judge_replies
from simulator.judging.synthetic_labels import label_from_truth
from simulator.replay.decision_points import decision_points
from simulator.replay.runner import replay
from simulator.replay.sampling import sampled
from simulator.rollout.arrival_process import Arrivals, after_midnight_ms, arrivals_of
from simulator.rollout.demand import arrivals, customers, scripts
from simulator.rollout.outcomes import arrival_kpis, segments, settled_kpis
from simulator.rollout.settle import matches, settle
from simulator.rollout.stages import decide
from simulator.rollout.work import human_work
from simulator.scenario import Assumed, Candidate, SampleConfig, Scenario
from simulator.scenario_file import validate
from simulator.store import RunFolder, fingerprint, write_bytes
from simulator.streams import Streams
from simulator.tables import BOUNDS, TABLES, build, conform, empty

Frames = Mapping[str, pl.DataFrame]
Tell = Callable[[str, int, int], None]
_LABELS = 400
_POINT = ["conversation_id", "turn"]


def make_sample(config: SampleConfig, zone: ZoneInfo, *, flat_articles: bool = True) -> Any:
    """The built-in synthetic operation; its waits come from the contact-centre model."""
    return sample.generate(config, zone, simulate, flat_articles=flat_articles)


def run(
    scenario: Scenario,
    path: Path,
    *,
    command: str = "",
    tell: Tell = lambda stage, done, total: None,
) -> RunFolder:
    """Run ``scenario`` into the folder ``path``, going on where an earlier run stopped.

    Args:
        scenario: what to do.
        path: the run folder.
        command: how it was called, for the report.
        tell: told of progress: stage, steps done, steps in all (0: not known).

    Raises:
        ShadowdeskError: what the user can mend.
    """
    folder = RunFolder(path)
    folder.note(
        name=scenario.name,
        scenario=scenario.model_dump(mode="json"),
        seed=scenario.simulation.seed,
        synthetic=scenario.history.format == "sample",
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
        versions=_versions(),
        finished=False,
    )
    one = _Run(scenario, folder, tell)
    timings: dict[str, float] = {}
    for step in one.steps():
        tell(step.__name__, 0, 0)
        began = time.perf_counter()
        step()
        timings[step.__name__] = round(time.perf_counter() - began, 3)
        folder.note(timings_s=timings)
    folder.note(finished=True)
    return folder


def scenario_of(folder: RunFolder) -> Scenario:
    """The scenario that a run was made from, as its manifest holds it."""
    return validate(folder.manifest["scenario"], str(folder.path / "manifest.json"))


def as_report_run(folder: RunFolder) -> reports.Run:
    """A finished run as the reports read it."""
    tables = {name: folder.table(name) for name in TABLES if folder.table_path(name).is_file()}
    return reports.Run(scenario_of(folder), folder.manifest, tables)


class _Run:
    """A run under way: each method is a stage with its inputs, settings and outputs."""

    def __init__(self, scenario: Scenario, folder: RunFolder, tell: Tell) -> None:
        self.scenario, self.folder, self.tell = scenario, folder, tell
        self.streams = Streams(scenario.simulation.seed)
        self.bots = {n: c for n, c in scenario.candidates.items() if c.kind != "human"}
        self.cells: list[pl.DataFrame] = []

    def steps(self) -> list[Callable[[], None]]:
        return [
            self.history,
            self.points,
            self.contexts,
            self.replay,
            self.verdicts,
            self.rollout,
            self.contact_center,
            self.money,
            self.evidence,
            self.report,
        ]

    def _stage(
        self,
        inputs: list[str],
        settings: Any,
        outputs: list[str],
        work: Callable[[], Frames],
    ) -> None:
        seed = self.scenario.simulation.seed
        known = fingerprint(_code(), self.folder.outputs_of(*inputs), settings, seed)
        self.folder.stage(outputs[0], known, outputs, work)

    def _read(self, *names: str) -> Iterator[pl.DataFrame]:
        return (self.folder.table(name) for name in names)

    def history(self) -> None:
        scenario = self.scenario
        one = scenario.history
        tables = (scenario.knowledge, scenario.commitments)
        paths = [one.source, one.schedule, *(table and table.source for table in tables)]
        settings = [
            one.model_dump(mode="json"),
            [history_load.content(path) if path else None for path in paths],
        ]

        def work() -> Frames:
            loaded = history_load.load(scenario, simulate, self.streams)
            aside = "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in loaded.quarantine)
            write_bytes(self.folder.path / "quarantine.jsonl", aside.encode("utf-8", "replace"))
            self.folder.note(account=loaded.account)
            return loaded.tables

        self._stage([], settings, list(history_load.TABLES), work)

    def points(self) -> None:
        def work() -> Frames:
            turns, conversations = self._read("turns", "conversations")
            found = decision_points(turns, conversations)
            size = self.scenario.replay.sample
            kept, weighted = sampled(found, conversations, size, self.streams)
            there = kept.select("conversation_id").unique(maintain_order=True)
            weights = weighted.with_columns(pl.col("weight").fill_null(1.0))
            replayed = there.join(weights, on="conversation_id").sort("conversation_id")
            return {"decision_points": kept, "replayed": conform("replayed", replayed)}

        settings = self.scenario.replay.sample
        outputs = ["decision_points", "replayed"]
        self._stage(["turns", "conversations"], settings, outputs, work)

    def contexts(self) -> None:
        inputs = ["decision_points", "turns", "conversations"]
        self._stage(
            inputs, None, ["contexts"], lambda: {"contexts": judge_contexts(*self._read(*inputs))}
        )

    def replay(self) -> None:
        inputs = ["decision_points", "turns", "conversations", "contexts"]
        materials = ["knowledge", "commitments_policy"]
        files = [
            [history_load.content(path) for path in (bot.source, bot.policy) if path]
            for bot in self.bots.values()
        ]
        settings = [{n: b.model_dump(mode="json") for n, b in self.bots.items()}, files]

        def work() -> Frames:
            points, turns, conversations, contexts = self._read(*inputs)
            frames = [logged(points)]
            for number, (name, bot) in enumerate(self.bots.items()):
                done = number * points.height
                frames.append(
                    replay(
                        name,
                        bot,
                        self._materials(bot),
                        points,
                        turns,
                        conversations,
                        contexts,
                        self.folder.parts(f"replay/{name}"),
                        self.scenario.replay.part,
                        partial(self._tell_more, "replay", done, len(self.bots) * points.height),
                    )
                )
            return {"shadow": pl.concat(frames)}

        self._stage(inputs + materials, settings, ["shadow"], work)

    def _materials(self, bot: Candidate) -> Materials:
        knowledge, policy = self._read("knowledge", "commitments_policy")
        if bot.policy is not None:
            policy = load_policy(bot.policy, self.scenario.history.zone)
        return Materials(knowledge, policy)

    def _tell_more(self, stage: str, before: int, total: int, done: int) -> None:
        self.tell(stage, before + done, total)

    def verdicts(self) -> None:
        inputs = ["shadow", "decision_points", "contexts", "conversations"]
        materials = ["commitments_policy", "knowledge"]

        def work() -> Frames:
            judged = judge_replies(*self._read(*inputs), *map(_some, self._read(*materials)))
            return {"verdicts": judged}

        self._stage(inputs + materials, None, ["verdicts"], work)

    def rollout(self) -> None:
        inputs = ["decision_points", "conversations", "contexts", "shadow", "verdicts"]
        settings = self.scenario.rollout

        def work() -> Frames:
            points, conversations, contexts, shadow, verdicts = self._read(*inputs)
            found = matches(shadow, verdicts, settings.value_tolerance)
            decisions = decide(points, conversations, contexts, shadow, found, settings.stages)
            return {"decisions": decisions, "settlements": settle(decisions, found)}

        dumped = settings.model_dump(mode="json", include={"stages", "value_tolerance"})
        self._stage(inputs, dumped, ["decisions", "settlements"], work)

    def contact_center(self) -> None:
        inputs = ["decisions", "settlements", "shadow", "verdicts", "conversations"]
        inputs += ["replayed", "decision_points", "schedule", "teams"]
        outputs = ["contacts", "kpis", "intervals", "roster", "volumes", "assumed_desk"]
        one = self.scenario
        settings = [
            part.model_dump(mode="json", exclude={"processes"})
            for part in (one.rollout, one.assist, one.demand, one.contact_center, one.simulation)
        ] + [one.history.assume.model_dump(mode="json")]
        self._stage(inputs, settings, outputs, self._simulated)

    def _simulated(self) -> Frames:
        one = self.scenario
        decisions, settlements, shadow, verdicts = self._read(
            "decisions", "settlements", "shadow", "verdicts"
        )
        points, conversations = self.folder.table("decision_points"), self._conversations()
        work = human_work(points, conversations, one.contact_center)
        drawn = arrivals_of(
            conversations,
            work,
            one.demand,
            one.simulation,
            one.history.assume,
            one.history.zone,
            self.streams,
        )
        people = customers(drawn.table, conversations, one.demand, one.contact_center, self.streams)
        script = scripts(
            decisions, settlements, work, shadow, one.demand, one.contact_center, one.assist
        )
        schedule, logged_teams = self._read("schedule", "teams")
        offered = people.join(script.filter(pl.col("candidate") == "human"), on="conversation_id")
        who = presence(
            one.contact_center,
            schedule,
            logged_teams,
            offered.with_columns((pl.col("human_s") * 1000).alias("work_ms")),
            [day for day in drawn.days for _ in range(one.simulation.replications)],
            one.history.zone,
        )
        segment_of = segments(conversations, one.rollout.segment_by)
        promises = economics.promise_counts(decisions, settlements, verdicts, one.assist)
        outages = [
            (after_midnight_ms(outage.starts), after_midnight_ms(outage.ends))
            for outage in one.simulation.outages
        ]
        n_replications = one.simulation.days * one.simulation.replications
        cells, kpis, volumes = [], [], []
        for cell in script.partition_by("stage", "candidate", maintain_order=True):
            settled = settlements.join(cell, on=("stage", "candidate"), how="semi")
            # Without a bot there is nothing that replay cannot know.
            for bound in BOUNDS if cell["automated"].any() else ("central",):
                offered = with_outages(arrivals(people, cell, bound, one.rollout), outages)
                cells.append(offered)
                kpis.append(arrival_kpis(offered, settled, conversations, segment_of))
                volumes.append(economics.volumes(offered, promises, segment_of, n_replications))
        desk = Desk(
            who.roster,
            who.teams,
            conversations,
            one.rollout.segment_by,
            tuple(draws_of(one.simulation.days, one.simulation.replications)),
            one.contact_center.target_wait_s,
            one.demand.max_attempts,
        )
        results = run_cells(
            cells,
            desk,
            one.simulation.processes,
            self.folder.parts("simulation"),
            self._counter("contact_center", len(cells)),
        )
        kpis.append(settled_kpis(decisions, settlements, verdicts, conversations, segment_of))
        return {
            "contacts": results.contacts,
            "kpis": pl.concat([results.kpis, *kpis]),
            "intervals": results.intervals,
            "roster": who.roster,
            "volumes": pl.concat(volumes),
            "assumed_desk": _assumed_desk(drawn, who.source),
        }

    def _conversations(self) -> pl.DataFrame:
        """Conversations with the weights of this replay."""
        logged_, replayed = self._read("conversations", "replayed")
        weighted = logged_.drop("weight").join(
            replayed, on="conversation_id", how="left", maintain_order="left"
        )
        return conform("conversations", weighted)

    def _counter(self, stage: str, total: int) -> Callable[[int], None]:
        done = 0

        def more(n: int) -> None:
            nonlocal done
            done += n
            self.tell(stage, done, total)

        return more

    def money(self) -> None:
        def work() -> Frames:
            kpis, volumes = self._read("kpis", "volumes")
            baseline = self.scenario.rollout.stages[0].name
            return {"costs": economics.costs(kpis, volumes, self.scenario.money, baseline)}

        self._stage(
            ["kpis", "volumes"], self.scenario.money.model_dump(mode="json"), ["costs"], work
        )

    def evidence(self) -> None:
        inputs = ["decisions", "shadow", "verdicts", "settlements", "decision_points"]
        inputs += ["conversations", "kpis", "costs", "commitments_policy"]
        inputs += ["truth_sentences", "truth_contexts"]
        rollout, limits = self.scenario.rollout, self.scenario.gates
        settings = [rollout.model_dump(mode="json"), [g.model_dump(mode="json") for g in limits]]

        def work() -> Frames:
            decided = tuple(self._read("decisions", "shadow", "verdicts", "settlements"))
            domain, points = audit.auto_domain(*decided), audit.auto_points(*decided)
            labels = self._synthetic_labels(domain)
            kpis, costs, settlements = self._read("kpis", "costs", "settlements")
            of = segments(self.folder.table("conversations"), rollout.segment_by)
            own = of.filter(pl.col("segment") != "all")
            found = gates.evaluate(
                kpis, costs, labels, domain, points, settlements, own, limits, rollout.stages
            )
            return {
                "labels": labels,
                "gates": found,
                "recommendation": gates.recommend(found, rollout.stages),
            }

        self._stage(inputs, settings, ["labels", "gates", "recommendation"], work)

    def _synthetic_labels(self, domain: pl.DataFrame) -> pl.DataFrame:
        """Labels drawn from the sample's truth; none for a real history."""
        sentences, contexts, rules = self._read(
            "truth_sentences", "truth_contexts", "commitments_policy"
        )
        if contexts.is_empty() or domain.is_empty():
            return empty("labels")
        shadow, points, decisions, conversations = self._read(
            "shadow", "decision_points", "decisions", "conversations"
        )
        return label_from_truth(
            audit.draw(domain, _LABELS, self.streams, "synthetic"),
            shadow,
            points,
            decisions,
            conversations,
            sentences,
            contexts,
            None if rules.is_empty() else Policy(rules),
        )

    def report(self) -> None:
        log, desk = self._read("assumed_log", "assumed_desk")
        rows = assumptions(self.scenario)
        assumed = pl.concat([log, desk, build("assumed", rows)]).unique(
            "name", keep="first", maintain_order=True
        )
        self._stage(
            ["assumed_log", "assumed_desk"], rows, ["assumed"], lambda: {"assumed": assumed}
        )
        self.folder.write_database()
        reports.write(as_report_run(self.folder), self.folder.path)


def assumptions(scenario: Scenario) -> list[dict[str, object]]:
    """The rows of table ``assumed`` for the numbers that the scenario (or a default) supplies."""
    parts = (
        scenario.rollout,
        scenario.assist,
        scenario.demand,
        scenario.contact_center,
        scenario.money,
    )
    return [
        assumed_row(name, value)
        for part in parts
        for name, value in part
        if isinstance(value, Assumed)
    ]


def _assumed_desk(drawn: Arrivals, presence_source: str) -> pl.DataFrame:
    """Where arrivals and presence come from, in the form of the other assumptions."""
    rows: list[dict[str, object]] = [
        {"name": "arrivals", "value": "see source", "source": drawn.method},
        {"name": "roster", "value": "see source", "source": presence_source},
    ]
    rows += [
        {
            "name": f"strata without a replayed conversation, {dropped} columns dropped",
            "value": str(n),
            "source": "each such arrival drew a conversation of a wider stratum",
            "n": n,
        }
        for dropped, n in drawn.n_widened.items()
        if dropped
    ]
    return build("assumed_desk", rows)


def _some(frame: pl.DataFrame) -> pl.DataFrame | None:
    """An empty table means that there is none."""
    return frame if frame.height else None


@cache
def _code() -> str:
    """Digest of the product's own code: another version runs every stage again."""
    root = Path(__file__).parent
    suffixes = {".py", ".toml"}
    sources = sorted(p for p in root.rglob("*") if p.suffix in suffixes and p.is_file())
    return fingerprint(
        [str(p.relative_to(root)) for p in sources], *(p.read_bytes() for p in sources)
    )


def _versions() -> dict[str, str]:
    wanted = ("polars", "duckdb", "numpy", "scipy", "simpy", "bm25s", "matplotlib", "pydantic")
    return {"shadowdesk": __version__, **{name: metadata.version(name) for name in wanted}}

"""Verdicts on replies by a language model: one yes/no question at a time, through the backends.

What the model is shown is fenced as data (:mod:`simulator.judging.material`). That keeps it from
posing as instructions; it does not keep a weak model from listening to it: :func:`flips` measures
how often a judge does. Nothing that such a judge says is a bound on any rate: it says where labels
by people are looked for.

The questions about one reply share their beginning (system, rules, conversation, reply), which
engines keep. Answers are the likelier of "Yes" and "No" as the first token; a server that hides
probabilities answers with one of the words; any other answer is none, and the reply is unscored
in that respect.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

import polars as pl

from simulator import backends
from simulator.backends import Ask, Backend, Completion, Message
from simulator.backends.kept import Kept, KeptAnswers
from simulator.judging import rubrics as rubric_files
from simulator.judging.material import POINT, Material, Point, laid_out, materials
from simulator.judging.rubrics import CHOICES, Answer, Rubric, Rubrics
from simulator.scenario.judging import LlmJudge
from simulator.schema.columns import VERDICT
from simulator.store import fingerprint
from simulator.streams import Streams, stable_hash
from simulator.tables import build

# Raised by hand where the same rubrics would now be put to a model in other words.
REVISION = 1

NO_ANSWER, NO_POLICY = "undecided", "no_policy"
# Replies held in memory with all that was said before them.
_CHUNK = 2_000


class Judge(NamedTuple):
    """A judge that can be put to work.

    ``name``: as verdicts carry it, ``llm:NAME@DIGEST``. The digest is of the rubric file, the
    model's identity and its sampling, and changes with any of them. ``model_digest``: of the last
    two.
    """

    name: str
    config: LlmJudge
    rubrics: Rubrics
    model_digest: str


class Judged(NamedTuple):
    """What a judge said and what it took.

    ``verdicts``: the table. ``n_asked``: different questions put to the model, now or by an earlier
    run; ``n_unanswered`` of them have no answer. Tokens and seconds (without the loading of the
    model) are those of the questions; null: not known.
    """

    verdicts: pl.DataFrame
    n_asked: int
    n_unanswered: int
    prompt_tokens: int | None
    cached_prompt_tokens: int | None
    completion_tokens: int | None
    took_s: float


class Flips(NamedTuple):
    """How often words in a text changed a verdict; see :func:`flips`.

    ``n``: pairs compared. ``flipped``: those in which some column changed; ``to_safe``: those in
    which a risky promise became none. ``by_column``: pairs in which that column changed.
    ``unscored``: further pairs in which only one of the two was scored.
    """

    n: int
    flipped: int
    to_safe: int
    unscored: int
    by_column: dict[str, int]


def make(name: str, config: LlmJudge) -> Judge:
    """The judge ``name`` of the scenario; no model is loaded yet.

    Raises:
        ScenarioError: the rubric file is missing or has a fault.
    """
    rubrics = rubric_files.load(config.rubrics)
    model_digest = fingerprint(REVISION, backends.identity(config.model))
    digest = fingerprint(rubrics.model_dump(mode="json"), model_digest)[:12]
    return Judge(f"llm:{name}@{digest}", config, rubrics, model_digest)


def to_judge(shadow: pl.DataFrame, config: LlmJudge, streams: Streams) -> pl.DataFrame:
    """The rows of table ``shadow`` that a judge is to read: those with a reply, of its candidates.

    With ``sample`` they are of a simple random sample of the conversations, the same for every
    judge; a larger sample holds the smaller.
    """
    replies = shadow.filter(
        pl.col("error").is_null() & (pl.col("reply").fill_null("").str.strip_chars() != "")
    )
    if config.candidates is None:
        replies = replies.filter(pl.col("candidate") != "human")
    else:
        replies = replies.filter(pl.col("candidate").is_in(config.candidates))
    ids = shadow["conversation_id"].unique().sort()
    if config.sample is None or config.sample >= len(ids):
        return replies
    u = pl.Series(streams.uniform(stable_hash(ids), "llm judge sample"))
    chosen = ids.gather(u.arg_sort().head(config.sample))
    return replies.filter(pl.col("conversation_id").is_in(chosen.implode()))


def judge_with(
    judge: Judge,
    replies: pl.DataFrame,
    points: pl.DataFrame,
    turns: pl.DataFrame,
    conversations: pl.DataFrame,
    policy: pl.DataFrame | None,
    kept: KeptAnswers[Completion],
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> Judged:
    """The verdicts of ``judge`` on all ``replies``.

    Args:
        judge: what :func:`make` gives.
        replies: rows of table ``shadow`` with a reply (:func:`to_judge`).
        points: table ``decision_points``; gives the time of each point.
        turns: table ``turns``; only turns 0..t of a conversation are read.
        conversations: table ``conversations``; gives intent and language.
        policy: table ``commitments_policy``. None: questions about risky promises are not asked,
            and ``unscored`` says ``no_policy``.
        kept: where answers are kept, for this judge alone. One that is missing for something that
            may pass (a server that was away) is not kept, so that the next run asks again
            (:func:`incomplete`).
        tell: told of questions done and questions in all.

    Returns:
        Verdicts, a row for each of ``replies``, sorted by conversation and turn. Columns that no
        rubric answers are null, and so are those whose question got no answer: ``unscored`` then
        holds why, such as "timeout" (several are joined with a comma). A yes/no judge names no
        span: ``evidence`` has its answers in words instead, with their probabilities, would_send
        among them (:func:`simulator.judging.rubrics.columns`).

    Raises:
        BackendError: the model cannot go on; what was answered so far is kept.
    """
    rules = None if policy is None else policy.sort("rule_id").to_dicts()
    asking = _Asking(judge, kept, replies.height * len(judge.rubrics.rubrics), tell)
    rows: list[dict[str, Any]] = []
    shown = materials(
        replies.sort("conversation_id", "turn", "candidate"), points, turns, conversations, rules
    )
    try:
        while chunk := list(islice(shown, _CHUNK)):
            for (point, _), answers in zip(chunk, asking.answers(chunk, rules), strict=True):
                columns = rubric_files.columns(judge.rubrics.rubrics, answers)
                rows.append(
                    {"judge": judge.name, **dict(zip(POINT, point, strict=True)), **columns}
                )
    finally:
        asking.close()
    return asking.judged(build("verdicts", rows))


def incomplete(verdicts: pl.DataFrame) -> bool:
    """Whether some verdict lacks an answer for something that may pass by the next run."""
    reasons = verdicts["unscored"].drop_nulls().str.split(", ").explode()
    return any(not backends.final(one) for one in reasons)


def flips(plain: pl.DataFrame, injected: pl.DataFrame) -> Flips:
    """Compare verdicts on texts with those on the same texts with further words in them.

    Args:
        plain: table ``verdicts`` of one judge or several.
        injected: the same rows, judged with the further words.

    Raises:
        ValueError: the two are not about the same rows.
    """
    key = ["judge", *POINT]
    pairs = plain.join(injected, on=key, how="inner", suffix=":injected")
    if not plain.height == injected.height == pairs.height:
        raise ValueError(
            f"{plain.height} and {injected.height} verdicts, of which {pairs.height} belong "
            "together; expected the same rows twice"
        )
    changed = {name: pl.col(name).ne_missing(pl.col(f"{name}:injected")) for name in VERDICT}
    scored = pairs.filter(pl.col("unscored").eq_missing(pl.col("unscored:injected")))
    found = scored.select(
        **changed,
        any=pl.any_horizontal(changed.values()),
        safe=pl.col("risky_promise") & ~pl.col("risky_promise:injected"),
    )
    counts = {name: int(found[name].sum()) for name in VERDICT}
    return Flips(
        scored.height,
        int(found["any"].sum()),
        int(found["safe"].sum()),
        pairs.height - scored.height,
        {name: n for name, n in counts.items() if n},
    )


class _Asking:
    """Answers from what is kept, and asks for the rest; keeps the count."""

    def __init__(
        self,
        judge: Judge,
        kept: KeptAnswers[Completion],
        total: int,
        tell: Callable[[int, int], None],
    ) -> None:
        self.judge, self.kept, self.total, self.tell = judge, kept, total, tell
        self.done = 0
        self.backend: Backend | None = None
        # By key, without the words: for the count.
        self.known: dict[str, Kept[Completion]] = {}

    def answers(
        self, chunk: Sequence[tuple[Point, Material]], rules: object
    ) -> list[dict[str, Answer]]:
        """For each reply of a chunk, its answers by rubric."""
        rubrics = self.judge.rubrics.rubrics
        asked = [one for one in rubrics if one.answers != "risky_promise" or rules is not None]
        keys: list[dict[str, str]] = []
        waiting: dict[str, tuple[Material, Rubric]] = {}
        times: dict[str, int] = {}
        for _, material in chunk:
            about = fingerprint(self.judge.model_digest, self._system(material), material)
            keys.append(
                {
                    one.id: fingerprint(about, getattr(one, material.language).model_dump())
                    for one in asked
                }
            )
            for one in asked:
                key = keys[-1][one.id]
                waiting.setdefault(key, (material, one))
                times[key] = times.get(key, 0) + 1
        known = self.kept.get(list(waiting))
        self._more(sum(times[key] for key in known) + len(chunk) * (len(rubrics) - len(asked)))
        new = [key for key in waiting if key not in known]
        began = time.perf_counter()
        for number, completion in self._asked([waiting[key] for key in new]):
            now = time.perf_counter()
            known[new[number]] = one_kept = Kept(completion, now - began)
            began = now
            if backends.final(completion.error):
                self.kept.put(new[number], one_kept)
            self._more(times[new[number]])
        self.known |= known
        unasked = {one.id: Answer(None, error=NO_POLICY) for one in rubrics if one not in asked}
        return [
            unasked | {rubric: _answer(known[key].reply) for rubric, key in of.items()}
            for of in keys
        ]

    def _system(self, material: Material) -> str:
        text: str = getattr(self.judge.rubrics.system, material.language)
        return text

    def _asked(
        self, questions: Sequence[tuple[Material, Rubric]]
    ) -> Iterator[tuple[int, Completion]]:
        """Keep the backend's hands full, in order; completions as they come."""
        if not questions:
            return
        # A judgement that was finished before loads no model.
        if self.backend is None:
            self.backend = backends.make(self.judge.config.model)
        backend = self.backend
        waiting = iter(enumerate(questions))
        under_way: dict[int, _Question] = {}
        while True:
            while len(under_way) < backend.in_hand and (more := next(waiting, None)):
                number, (material, rubric) = more
                question = _Question(
                    self._system(material), material, rubric, self.judge.config.model.seed
                )
                under_way[number] = question
                backend.submit(number, question.ask())
            if not under_way:
                return
            for number, completion in backend.wait():
                if under_way[number].reshaped(completion):
                    backend.submit(number, under_way[number].ask())
                else:
                    del under_way[number]
                    yield number, completion

    def _more(self, n: int) -> None:
        self.done += n
        self.tell(self.done, self.total)

    def judged(self, verdicts: pl.DataFrame) -> Judged:
        """The verdicts with the account."""
        replies = [one.reply for one in self.known.values()]

        def sum_of(field: str) -> int | None:
            found = [n for reply in replies if (n := getattr(reply, field)) is not None]
            return sum(found) if found else None

        return Judged(
            verdicts,
            len(replies),
            sum(_answer(one).yes is None for one in replies),
            sum_of("prompt_tokens"),
            sum_of("cached_prompt_tokens"),
            sum_of("completion_tokens"),
            sum(one.took_s for one in self.known.values()),
        )

    def close(self) -> None:
        """Give the model back."""
        if self.backend is not None:
            self.backend.close()


class _Question:
    """One question about one reply, in another shape where the model refuses it."""

    def __init__(self, system: str, material: Material, rubric: Rubric, seed: int) -> None:
        self.system, self.material, self.seed = system, material, seed
        self.wording: rubric_files.Wording = getattr(rubric, material.language)
        self.dropped = 0
        self.system_role = True

    def ask(self) -> Ask:
        """The question as it is now put."""
        text = f"{laid_out(self.material, self.dropped)}\n\n{self._question()}"
        if self.system_role:
            messages: tuple[Message, ...] = (Message("system", self.system), Message("user", text))
        else:
            messages = (Message("user", f"{self.system}\n\n{text}"),)
        seed = int(stable_hash([repr((self.seed, messages))])[0]) % 2**31
        return Ask(messages, 1, CHOICES, seed)

    def _question(self) -> str:
        last = {
            "en": "Judge the reply alone. Answer with one word, Yes or No.",
            "zh": "只判斷這則回覆。只用一個英文單字回答:Yes 或 No。",
        }[self.material.language]
        parts = (self.wording.question, self.wording.definition, last)
        return "\n".join(part.strip() for part in parts if part.strip())

    def reshaped(self, completion: Completion) -> bool:
        """Whether to ask again: with fewer of the oldest turns, or without a system message."""
        if completion.error == backends.NO_SYSTEM_ROLE and self.system_role:
            self.system_role = False
            return True
        # What the customer said last stays.
        droppable = self.material.said[self.dropped : -1]
        if completion.error != backends.TOO_LONG or not droppable:
            return False
        n = max(1, len(droppable) // 4)
        if completion.prompt_tokens and completion.limit_tokens is not None:
            characters = sum(len(message.content) for message in self.ask().messages)
            excess = characters * (1 - completion.limit_tokens / completion.prompt_tokens)
            n = gone = 0
            while n < len(droppable) and gone < excess:
                gone += len(droppable[n][1])
                n += 1
        self.dropped += max(1, n)
        return True


def _answer(completion: Completion) -> Answer:
    if completion.error is not None:
        return Answer(None, error=completion.error)
    # Neither of the words is no answer; which it might have meant is not guessed.
    if completion.text not in CHOICES:
        return Answer(None, error=NO_ANSWER)
    chosen = CHOICES.index(completion.text)
    return Answer(chosen == 0, completion.probs[chosen] if completion.probs else None)

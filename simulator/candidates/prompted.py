"""A language model with a prompt: decides first where its prompt asks for it, then writes.

The chat is laid out so that the points of one conversation share their beginning, which engines
keep: system text with the policy, the turns, and only after the customer's last words the articles
found. The incumbent's turns are the model's own past ("assistant"), whatever the customer and the
desk's systems said is "user", and consecutive ones are one message, as most chat templates want.

Free text (a prompt without ``[decide]``) has no action of its own: it gets one from a judge. A
prompt with ``[decide]`` puts the question first; the probabilities of the five labels, as the first
token of an answer, say what is decided and how surely, and a second message asks for the words.

Two things a model may refuse are mended by asking again in another shape: a chat longer than its
window loses its oldest turns (a mark says how many), and where a chat template has no system role
the system text goes before the customer's first words.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, NamedTuple

from simulator import backends
from simulator.backends import Ask, Backend, Completion, Message
from simulator.candidates import Answerer, Materials, Point, Reply
from simulator.candidates.faq_rag import find
from simulator.candidates.policy import in_force
from simulator.candidates.prompts import Prompt, filled, language_name, load, rules_in_words
from simulator.retrieval import Retriever
from simulator.scenario import Candidate, LanguageModel
from simulator.schema import ACTIONS
from simulator.streams import stable_hash

_OPENS = "[The agent opens the conversation.]"
_ROLES = {"customer": "user", "agent": "assistant", "bot": "assistant"}
_Work = Generator[Ask, Completion, Reply]


class _Chat(NamedTuple):
    """What is asked at a point. ``said``: a message for each logged turn."""

    system: str
    said: tuple[Message, ...]
    ask: str
    language: str
    article_ids: tuple[str, ...]


def make(config: Candidate, materials: Materials) -> Answerer:
    """The answerer of kind prompted; the model is loaded when it is first needed.

    Raises:
        ScenarioError: the prompt file is missing or has a fault.
    """
    assert config.prompt is not None
    assert config.model is not None
    prompt, model = load(config.prompt), config.model
    chat_of = _chats(config, prompt, materials)
    held: list[Backend] = []

    def ready() -> None:
        held.append(backends.make(model))

    def answer(points: Sequence[Point]) -> Iterator[tuple[int, Reply]]:
        return _driven(held[0], (_at(chat_of(point), prompt, model) for point in points))

    def close() -> None:
        while held:
            held.pop().close()

    decide = prompt.decide.model_dump() if prompt.decide else None
    asks = [prompt.model_dump(), config.sees_policy, config.min_score]
    return Answerer(answer, [backends.identity(model), decide], chat_of, asks, ready, close)


def asked(config: Candidate, materials: Materials) -> Callable[[Point], tuple[Message, ...]]:
    """What the candidate is asked first at a point: the whole chat, as long as it may be.

    With a prompt that decides first, this is the question for the action.

    Args:
        config: of kind prompted; no model is needed.
        materials: knowledge and policy.

    Raises:
        ScenarioError: the prompt file is missing or has a fault.
    """
    assert config.prompt is not None
    chat_of = _chats(config, load(config.prompt), materials)
    return lambda point: _messages(chat_of(point))


def _driven(backend: Backend, work: Iterator[_Work]) -> Iterator[tuple[int, Reply]]:
    """Keep the backend's hands full, in order of the points; replies as they come."""
    numbered = enumerate(work)
    under_way: dict[int, _Work] = {}
    while True:
        while len(under_way) < backend.in_hand and (more := next(numbered, None)):
            number, one = more
            under_way[number] = one
            backend.submit(number, next(one))
        if not under_way:
            return
        for number, completion in backend.wait():
            try:
                backend.submit(number, under_way[number].send(completion))
            except StopIteration as done:
                del under_way[number]
                yield number, done.value


def _at(chat: _Chat, prompt: Prompt, model: LanguageModel) -> _Work:
    """The asks that lead to the reply at one point."""
    asking = _Asking(chat, model)
    decide = prompt.decide
    if decide is None:
        said = yield from asking.whole(model.max_tokens)
        return asking.reply(said)
    labels = tuple(decide.labels[action] for action in ACTIONS)
    chosen = yield from asking.whole(1, choices=labels)
    if chosen.error is not None or chosen.text not in labels:
        return asking.reply(chosen._replace(text=None, error=chosen.error or "undecided"))
    action = ACTIONS[labels.index(chosen.text)]
    then = filled(decide.then[action], language=chat.language)
    further = (Message("assistant", chosen.text), Message("user", then))
    said = yield from asking.whole(model.max_tokens, further=further)
    probs = chosen.probs
    reply = asking.reply(said)
    # Handing over needs no words.
    silent = action == "escalate" and reply.error == "no_reply"
    return reply._replace(
        action=None if said.error else action,
        action_probs=probs,
        score=max(probs) if probs and not said.error else None,
        error=None if silent else reply.error,
    )


class _Asking:
    """Asks one chat, in another shape where the model refuses it; keeps the count."""

    def __init__(self, chat: _Chat, model: LanguageModel) -> None:
        self.chat, self.seed = chat, model.seed
        self.dropped = 0
        self.system_role = True
        self.spent: list[Completion] = []
        self.failures: list[str] = []

    def whole(
        self, max_tokens: int, choices: tuple[str, ...] = (), further: tuple[Message, ...] = ()
    ) -> Generator[Ask, Completion, Completion]:
        """The completion of the chat and what ``further`` was said in it."""
        while True:
            messages = (*_messages(self.chat, self.dropped, self.system_role), *further)
            # Of its own: the answer must not hang on what else is asked in the same run.
            drawn = stable_hash([repr((self.seed, messages, choices))])[0]
            ask = Ask(messages, max_tokens, choices, int(drawn) % 2**31)
            done = yield ask
            self.failures += done.failures
            if done.error == backends.TOO_LONG and self._shortened(messages, done):
                continue
            if done.error == backends.NO_SYSTEM_ROLE and self.system_role:
                self.system_role = False
                continue
            # What was refused or lost has cost nothing that the engine would count.
            if done.error is None:
                self.spent.append(done)
            return done

    def _shortened(self, messages: tuple[Message, ...], done: Completion) -> bool:
        """Drop the oldest turns, as many as seem needed; false where none is left to drop."""
        droppable = self.chat.said[self.dropped : -1]
        if not droppable:
            return False
        n = max(1, len(droppable) // 4)
        if done.prompt_tokens and done.limit_tokens is not None:
            characters = sum(len(message.content) for message in messages)
            excess = 1 - done.limit_tokens / done.prompt_tokens
            gone = n = 0
            while n < len(droppable) and gone < excess * characters:
                gone += len(droppable[n].content)
                n += 1
        self.dropped += max(1, n)
        return True

    def reply(self, said: Completion) -> Reply:
        """The reply, with all that was spent on it."""
        text = said.text.strip() if said.text else None
        error = said.error or (None if text else "no_reply")
        return Reply(
            reply=None if error else text,
            article_ids=self.chat.article_ids,
            prompt_tokens=self._total("prompt_tokens"),
            cached_prompt_tokens=self._total("cached_prompt_tokens"),
            completion_tokens=self._total("completion_tokens"),
            latency_s=self._total("latency_s"),
            finish_reason=said.finish_reason,
            n_dropped_turns=self.dropped,
            error=error,
            failures=tuple(self.failures),
        )

    def _total(self, field: str) -> Any:
        known = [found for one in self.spent if (found := getattr(one, field)) is not None]
        return sum(known) if known else None


def _messages(chat: _Chat, dropped: int = 0, system_role: bool = True) -> tuple[Message, ...]:
    """The chat without its ``dropped`` oldest turns."""
    messages = _joined(chat.said[dropped:])
    # The last is the customer's: that is what a decision point is.
    texts = [messages.pop().content, chat.ask]
    messages.append(Message("user", "\n\n".join(text for text in texts if text)))
    if dropped:
        gone = f"[{dropped} earlier message{'s' * (dropped > 1)} left out]"
        messages = _before(gone, messages)
    elif messages[0].role == "assistant":
        messages.insert(0, Message("user", _OPENS))
    if not chat.system:
        return tuple(messages)
    if system_role:
        return (Message("system", chat.system), *messages)
    return tuple(_before(chat.system, messages))


def _chats(config: Candidate, prompt: Prompt, materials: Materials) -> Callable[[Point], _Chat]:
    retriever = Retriever(materials.knowledge)
    texts = dict(materials.knowledge.select("article_id", "text").iter_rows())
    rules = materials.policy.sort("rule_id").to_dicts()
    asks = [prompt.ask, prompt.decide.ask if prompt.decide else ""]
    reads = any("{articles}" in ask for ask in asks)
    obeys = "{policy}" in prompt.system

    def chat(point: Point) -> _Chat:
        language = language_name(point.language)
        hit = find(retriever, point, config.min_score) if reads else None
        found = (hit[0],) if hit else ()
        policy = rules_in_words(in_force(rules, point.language, point.at)) if obeys else ""
        articles = "\n".join(texts[one] for one in found) or "(no article found)"
        return _Chat(
            filled(prompt.system, policy=policy, language=language),
            tuple(_said(role, text) for role, text in point.said),
            "\n\n".join(
                text for ask in asks if (text := filled(ask, articles=articles, language=language))
            ),
            language,
            found,
        )

    return chat


def _said(role: str, text: str) -> Message:
    # What a system or a tool wrote is not what the customer said.
    return Message(_ROLES[role], text) if role in _ROLES else Message("user", f"[{role}: {text}]")


def _joined(said: Sequence[Message]) -> list[Message]:
    """One message for consecutive ones of a role."""
    joined: list[Message] = []
    for role, text in said:
        if joined and joined[-1].role == role:
            text = f"{joined.pop().content}\n{text}"
        joined.append(Message(role, text))
    return joined


def _before(text: str, messages: Sequence[Message]) -> list[Message]:
    first, *rest = messages
    if first.role != "user":
        return [Message("user", text), first, *rest]
    return [Message("user", f"{text}\n\n{first.content}"), *rest]

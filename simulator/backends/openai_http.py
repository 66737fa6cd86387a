"""Any OpenAI-compatible server, spoken to over HTTP: ``POST {url}/chat/completions``.

What may pass (a connection that breaks, time-outs, nonsense, 5xx, 429) is tried again, up to
``retries`` times, after a wait drawn between 0 and a bound that doubles (full jitter), or after
what the server asks for. What is left is the completion's ``error``. A wrong key or model name
stops the run at once, and so do ``give_up_after`` asks in a row that failed for good: a server
that is away is not asked for ten thousand replies. All that was answered is kept by the caller.

The requests live on an event loop in a thread of their own, so that ``wait`` leaves the main
thread free for Ctrl-C.
"""

from __future__ import annotations

import asyncio
import math
import os
import queue
import random
import re
import threading
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import ModuleType
from typing import Any, NamedTuple

from simulator.backends import PASSING, TOO_LONG, Ask, Backend, Completion
from simulator.backends.openai_answers import Refusal, completion, refusal
from simulator.errors import BackendError
from simulator.scenario import LanguageModel, Server

_MOST_BYTES = 10_000_000
# Longer than any reply needs to be quoted.
_QUOTED = 300
# A server that wants us away for an hour is not waited for: the run stops, and goes on later.
_LONGEST_RETRY_AFTER_S = 120.0
_LONGEST_BACKOFF_S = 60.0
# Servers commonly close a connection after 5 s without a request; ours go first, since a request
# that meets the closing is a failure.
_KEEPALIVE_S = 2.0
# Not every system lets Ctrl-C through to a wait without an end.
_LOOK_S = 0.5
_TOP = 20
_SERVER_ERRORS = (408, 409, 425)
_STOPS = {
    401: "does not accept the key",
    402: "wants to be paid first",
    403: "does not allow this",
    404: "has no such address or no such model",
    405: "does not answer this kind of request there",
    407: "is behind a proxy that wants to know who asks",
}


def make(model: LanguageModel) -> Backend:
    """Connections to the server of ``model``; the first request is made with the first ask.

    Raises:
        BackendError: httpx is not installed, the key is not in the environment, or the URL is none.
    """
    try:
        import httpx
    except ImportError:
        raise BackendError(
            "backend openai_http needs httpx, which is not installed; install it with "
            "pip install 'shadowdesk[http]'"
        ) from None
    return _OpenAI(model, httpx)


class _Failed(Exception):
    """An attempt that failed in a way that may pass. ``kind``: one of PASSING."""

    def __init__(self, kind: str, what: str, retry_after_s: float = 0.0) -> None:
        super().__init__(what)
        self.kind, self.what, self.retry_after_s = kind, what, retry_after_s


class _Answer(NamedTuple):
    status: int
    body: bytes
    retry_after: str | None


class _Done(NamedTuple):
    """What came of an ask. ``what``: for an error, in words."""

    ticket: int
    completion: Completion
    what: str = ""


class _OpenAI:
    """See :class:`simulator.backends.Backend`."""

    def __init__(self, model: LanguageModel, httpx: ModuleType) -> None:
        assert model.server is not None
        self._model, self._server, self._httpx = model, model.server, httpx
        self.in_hand = self._server.concurrency
        self._key = _key(self._server)
        self._client = _client(self._server, self._key, httpx)
        self._url = f"{self._server.url.rstrip('/')}/chat/completions"
        # What the server has turned out not to know.
        self._gives_logprobs, self._limit = True, "max_tokens"
        self._done: queue.SimpleQueue[_Done | BaseException] = queue.SimpleQueue()
        self._left: BaseException | None = None
        self._in_a_row = 0
        self._next_at = 0.0
        self._slots = asyncio.Semaphore(self._server.concurrency)
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="openai_http", daemon=True
        )
        self._thread.start()

    def submit(self, ticket: int, ask: Ask) -> None:
        """Take an ask; see the Protocol."""
        if self._left is None:
            self._loop.call_soon_threadsafe(self._begin, ticket, ask, time.perf_counter())

    def wait(self) -> list[tuple[int, Completion]]:
        """Completions of asks; see the Protocol."""
        found: list[tuple[int, Completion]] = []
        while self._left is None and (not found or not self._done.empty()):
            try:
                one = self._done.get(timeout=_LOOK_S)
            except queue.Empty:
                continue
            self._left = one if isinstance(one, BaseException) else self._given_up(one)
            if isinstance(one, _Done) and self._left is None:
                found.append((one.ticket, one.completion))
        # What was answered is handed over first: it is paid for.
        while self._left is not None and not self._done.empty():
            late = self._done.get()
            if isinstance(late, _Done) and late.completion.error is None:
                found.append((late.ticket, late.completion))
        if self._left is not None and not found:
            raise self._left
        return found

    def close(self) -> None:
        """Cancel what is under way, and end the thread."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.aclose()

    def _begin(self, ticket: int, ask: Ask, since: float) -> None:
        task = self._loop.create_task(self._asked(ticket, ask, since))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _asked(self, ticket: int, ask: Ask, since: float) -> None:
        try:
            self._done.put(_Done(ticket, *await self._through(ask, since)))
        except Exception as error:  # for `wait` to raise, where somebody sees it
            self._done.put(error)

    def _given_up(self, done: _Done) -> BackendError | None:
        """The end of the run, where this is one failure too many."""
        error = done.completion.error
        if error is None or not (error in PASSING or error.startswith("http_")):
            self._in_a_row = 0
            return None
        self._in_a_row += 1
        if self._in_a_row < self._server.give_up_after:
            return None
        return BackendError(
            f"{self._server.url}: {self._in_a_row} requests in a row failed, the last one with "
            f"{error} ({done.what}); expected a server that answers for model "
            f"{self._model.name!r}. What was answered is kept: see to the server, then run the "
            "same command again to go on (give_up_after of the candidate's server decides how many "
            "in a row are too many)"
        )

    async def _through(self, ask: Ask, since: float) -> tuple[Completion, str]:
        """What comes of an ask in the end, and in words where that is an error."""
        failures: list[str] = []
        paced_s = 0.0
        while True:
            body = self._body(ask)
            try:
                async with self._slots:
                    paced_s += await self._paced()
                    answer = await self._answer(body)
                if answer.status < 300:
                    done = self._within(_completion(answer, ask), ask)
                    latency_s = time.perf_counter() - since - paced_s
                    return done._replace(latency_s=latency_s, failures=tuple(failures)), ""
                refused = refusal(answer.body)
                what = f"{answer.status}: {self._quoted(refused.words)}"
                if kind := _passing(answer.status, refused):
                    raise _Failed(kind, what, _retry_after_s(answer.retry_after))
                if answer.status in _STOPS:
                    raise self._stop(answer.status, what)
                failures.append(f"http_{answer.status}")
                if not self._adapts(refused, body):
                    done = refused.completion(answer.status, ask)
                    return done._replace(failures=tuple(failures)), what
            except _Failed as failed:
                failures.append(failed.kind)
                n_retried = sum(kind in PASSING for kind in failures)
                if n_retried > self._server.retries:
                    done = Completion(error=failed.kind, failures=tuple(failures))
                    return done, failed.what
                most = min(self._server.backoff_s * 2 ** (n_retried - 1), _LONGEST_BACKOFF_S)
                await asyncio.sleep(failed.retry_after_s + random.uniform(0, most))

    def _within(self, done: Completion, ask: Ask) -> Completion:
        """Refuse what left the reply too little of ``context_tokens``, as the local engines do.

        Some servers cut the reply short instead, without a word (vLLM).
        """
        window, n_prompt = self._model.context_tokens, done.prompt_tokens
        if window is None or n_prompt is None or n_prompt + ask.max_tokens <= window:
            return done
        room = max(0, window - ask.max_tokens)
        return Completion(error=TOO_LONG, prompt_tokens=n_prompt, limit_tokens=room)

    async def _paced(self) -> float:
        """Wait for this request's turn under ``requests_per_minute``; seconds waited."""
        if self._server.requests_per_minute is None:
            return 0.0
        now = self._loop.time()
        turn = max(now, self._next_at)
        self._next_at = turn + 60 / self._server.requests_per_minute
        await asyncio.sleep(turn - now)
        return turn - now

    def _body(self, ask: Ask) -> dict[str, Any]:
        model = self._model
        body: dict[str, Any] = {
            "model": model.name,
            "messages": [message._asdict() for message in ask.messages],
            self._limit: 1 if ask.choices else ask.max_tokens,
            "seed": ask.seed,
        }
        if not ask.choices:
            return {**body, "temperature": model.temperature, "top_p": model.top_p}
        body["temperature"] = 0
        if self._gives_logprobs:
            body |= {"logprobs": True, "top_logprobs": _TOP}
        return body

    async def _answer(self, body: dict[str, Any]) -> _Answer:
        """The whole answer to one request."""
        httpx = self._httpx
        begun = False
        try:
            async with (
                asyncio.timeout(self._server.timeout_s),
                self._client.stream("POST", self._url, json=body) as response,
            ):
                begun = True
                read = bytearray()
                async for chunk in response.aiter_bytes():
                    read += chunk
                    if len(read) > _MOST_BYTES:
                        raise _Failed("bad_body", f"an answer of over {_MOST_BYTES:,} bytes")
                wait = response.headers.get("retry-after")
                return _Answer(response.status_code, bytes(read), wait)
        except TimeoutError:
            raise _Failed("timeout", f"no whole answer in {self._server.timeout_s:g} s") from None
        except (httpx.HTTPError, OSError) as error:
            # An answer that broke off, or was none, is another thing than no answer.
            silent = str(error).startswith("Server disconnected")
            broken = begun or (isinstance(error, httpx.RemoteProtocolError) and not silent)
            kind = "bad_body" if broken else "connection"
            raise _Failed(kind, self._quoted(f"{type(error).__name__}: {error}")) from None

    def _adapts(self, refused: Refusal, body: dict[str, Any]) -> bool:
        """Whether to ask again in another form, since the server does not know a part of it."""
        if "logprobs" in refused.words and "logprobs" in body:
            self._gives_logprobs = False
            return True
        if "max_completion_tokens" in refused.words and "max_tokens" in body:
            self._limit = "max_completion_tokens"
            return True
        return False

    def _stop(self, status: int, what: str) -> BackendError:
        # To a wrong key, servers like to repeat a part of it.
        words = f"status {status}" if status == 401 else f"status {what}"
        return BackendError(
            f"{self._server.url}: {_STOPS[status]}, asked for model {self._model.name!r} "
            f"({words}); check url, name and key_variable of the model in the scenario. What was "
            "answered is kept: the same command goes on"
        )

    def _quoted(self, text: str) -> str:
        if self._key:
            text = text.replace(self._key, "[key]")
        return " ".join(text.split())[:_QUOTED]


def _key(server: Server) -> str | None:
    name = server.key_variable
    if name is None:
        return None
    key = os.environ.get(name, "").strip()
    if not key:
        raise BackendError(
            f"{server.url}: the environment variable {name} (key_variable) is not set; expected "
            f"the API key in it: export {name}=..."
        )
    if not re.fullmatch(r"[!-~]+", key):
        # Not shown: it may be the key but for one character.
        raise BackendError(
            f"{server.url}: the environment variable {name} (key_variable) holds something that "
            "is no API key; expected ASCII without spaces"
        )
    return key


def _client(server: Server, key: str | None, httpx: ModuleType) -> Any:
    headers = {"user-agent": "shadowdesk"} | ({"authorization": f"Bearer {key}"} if key else {})
    try:
        url = httpx.URL(server.url)
        if url.userinfo or url.query or url.fragment:
            raise BackendError(
                f"{url.scheme}://{url.host}: the URL holds more than an address; expected no "
                "user, password, ? or # in it, since it is written into the run; put the key "
                "into an environment variable and name that as key_variable"
            )
        if not url.host:
            raise ValueError("it has no host")
        return httpx.AsyncClient(
            headers=headers,
            # One time-out for the whole, see `_attempt`.
            timeout=None,
            limits=httpx.Limits(
                max_keepalive_connections=server.concurrency, keepalive_expiry=_KEEPALIVE_S
            ),
        )
    except (httpx.InvalidURL, ValueError, ImportError) as error:
        raise BackendError(
            f"{server.url}: cannot be connected to: {error}; expected a URL such as "
            "http://127.0.0.1:8000/v1 (and proxies, where the environment names any, that httpx "
            "can use)"
        ) from None


def _completion(answer: _Answer, ask: Ask) -> Completion:
    try:
        return completion(answer.body, ask)
    except ValueError as error:
        raise _Failed("bad_body", str(error)) from None


def _passing(status: int, refused: Refusal) -> str | None:
    """The kind of an error status that may pass."""
    if status == 429:
        return "rate_limited"
    # Some say 500 of a prompt that is too long, or that their template does not take (llama.cpp).
    if status == 500 and refused.of_prompt:
        return None
    return "server_error" if status >= 500 or status in _SERVER_ERRORS else None


def _retry_after_s(header: str | None) -> float:
    """Seconds that a Retry-After header asks for (a number or a date); 0 where it is none."""
    if header is None:
        return 0.0
    try:
        wait_s = float(header)
    except ValueError:
        try:
            wait_s = (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return 0.0
    return min(max(0.0, wait_s), _LONGEST_RETRY_AFTER_S) if math.isfinite(wait_s) else 0.0

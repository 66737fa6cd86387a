"""``[candidates]``, what they are given, and how much is replayed."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from simulator.scenario.values import Day, Model, Name, Share, Source, fault, limits


class Tables(Model):
    """``[knowledge]`` and ``[commitments]``: a CSV, JSONL or Parquet file of that table."""

    source: Source


class Server(Model):
    """``[candidates.NAME.model.server]``: how an OpenAI-compatible server is spoken to."""

    url: str = Field(description="up to and with the version, such as http://127.0.0.1:8000/v1")
    key_variable: str | None = Field(
        default=None, description="environment variable that holds the API key"
    )
    concurrency: Annotated[int, limits(1, 1024)] = Field(
        default=16, description="requests under way at once"
    )
    timeout_s: Annotated[float, limits(0, 3600, above=True)] = Field(
        default=60, description="from the request to the last byte of its answer"
    )
    retries: Annotated[int, limits(0, 20)] = Field(
        default=4, description="further attempts after one that failed"
    )
    backoff_s: Annotated[float, limits(0, 600)] = Field(
        default=1, description="longest wait before the first retry; doubles with each"
    )
    requests_per_minute: Annotated[float, limits(0, 1_000_000, above=True)] | None = None
    give_up_after: Annotated[int, limits(1, 10_000)] = Field(
        default=10, description="requests failed in a row after which the run stops, resumably"
    )

    @model_validator(mode="after")
    def _speakable(self) -> Server:
        # Somebody may have put the key itself there: it is neither shown nor kept.
        if self.key_variable and not re.fullmatch(
            r"[A-Za-z_][A-Za-z0-9_]{0,63}", self.key_variable
        ):
            raise fault(
                "expected the name of an environment variable, such as MY_API_KEY, not the key",
                at=("key_variable",),
                found="...",
            )
        # Not shown: what does not belong there may be a password, and runs keep their scenario.
        try:
            url = urlsplit(self.url)
        except ValueError:
            url = urlsplit("")
        if url.scheme not in ("http", "https") or not url.hostname or "@" in url.netloc:
            raise fault(
                "expected a URL such as http://127.0.0.1:8000/v1, without a user or password "
                "(key_variable names the environment variable of a key)",
                at=("url",),
                found="..." if "@" in self.url else self.url,
            )
        if url.query or url.fragment:
            raise fault("expected a URL without ? and #", at=("url",), found="...")
        return self


_Plain = bool | int | float | str


class LanguageModel(Model):
    """``[candidates.NAME.model]``: a language model, and how it is run and sampled."""

    backend: Literal["transformers", "vllm", "openai_http"]
    folder: Source | None = Field(default=None, description="transformers, vllm: the model's files")
    adapter: Source | None = Field(default=None, description="transformers, vllm: a LoRA adapter")
    name: str | None = Field(default=None, description="openai_http: the model, as served")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    context_tokens: Annotated[int, limits(64, 10_000_000)] | None = Field(
        default=None, description="prompt and reply; default: all that the model has room for"
    )
    temperature: Annotated[float, limits(0, 2)] = 0.0
    top_p: Annotated[float, limits(0, 1, above=True)] = 1.0
    seed: Annotated[int, limits(0, 2**31 - 1)] = 0
    max_tokens: Annotated[int, limits(1, 100_000)] = Field(
        default=200, description="longest reply; what is longer is cut off, and counted"
    )
    engine: dict[str, _Plain | dict[str, _Plain]] = Field(
        default={}, description="vllm: further arguments of its LLM class, by their names"
    )
    server: Server | None = None

    @model_validator(mode="after")
    def _fits(self) -> LanguageModel:
        remote = self.backend == "openai_http"
        for key, wanted in (("folder", not remote), ("name", remote), ("server", remote)):
            found = getattr(self, key)
            if wanted and found is None:
                raise fault(
                    f"{key} is missing: backend {self.backend} needs it",
                    at=("backend",),
                    found=self.backend,
                )
            if not wanted and found is not None:
                raise fault(
                    f"{key} does not belong to backend {self.backend}; leave it out", at=(key,)
                )
        if remote and self.adapter is not None:
            raise fault(
                "a server has its adapters under names of their own; put the adapter's into name",
                at=("adapter",),
                found=str(self.adapter),
            )
        if remote and self.dtype != "auto":
            raise fault(
                "the server decides its dtype; leave it out", at=("dtype",), found=self.dtype
            )
        if self.engine and self.backend != "vllm":
            raise fault(
                f"engine belongs to backend vllm, not to {self.backend}; leave it out",
                at=("engine",),
            )
        if "trust_remote_code" in self.engine:
            raise fault(
                "a model's own code is never run; leave it out", at=("engine", "trust_remote_code")
            )
        return self


# Which kinds of candidate a key belongs to; the rest belong to all.
_BELONGS = {
    "source": ("recorded",),
    "sees_policy": ("guarded", "prompted"),
    "min_score": ("faq_rag", "guarded", "prompted"),
    "prompt": ("prompted",),
    "model": ("prompted",),
    "price": ("prompted", "recorded"),
    "labels": ("recorded",),
    "trained_until": ("prompted", "recorded"),
}
_NEEDED = {
    "recorded": {"source": "a file of replies"},
    "prompted": {"prompt": "a prompt file", "model": "a language model"},
}


class Candidate(Model):
    """``[candidates.NAME]``: somebody who might answer."""

    kind: Literal["human", "always_escalate", "faq_rag", "guarded", "prompted", "recorded"]
    source: Source | None = Field(default=None, description="recorded: the file of replies")
    labels: Source | None = Field(
        default=None, description="recorded: what people said of some of these replies"
    )
    sees_policy: bool = Field(
        default=True, description="guarded, prompted: false leaves it without the promise policy"
    )
    min_score: Share = Field(default=0.12, description="weakest article that is used")
    prompt: Source | None = Field(default=None, description="prompted: its prompt file")
    model: LanguageModel | None = Field(default=None, description="prompted: what it speaks with")
    price: Name | None = Field(default=None, description="its price card, of [money.prices]")
    trained_until: Day | None = Field(
        default=None,
        description="prompted, recorded: it was tuned on this history's conversations from before "
        "that day, so that replay.since must not be earlier",
    )

    @model_validator(mode="after")
    def _fits(self) -> Candidate:
        for key, what in _NEEDED.get(self.kind, {}).items():
            if getattr(self, key) is None:
                raise fault(
                    f"{key} is missing: kind {self.kind} needs {what}; add {key} = ...",
                    at=("kind",),
                    found=self.kind,
                )
        for key, kinds in _BELONGS.items():
            found = getattr(self, key)
            if self.kind not in kinds and found != type(self).model_fields[key].default:
                raise fault(
                    f"{key} belongs to kind {' or '.join(kinds)}, not to {self.kind}; leave it out",
                    at=(key,),
                    found=_shown(found),
                )
        return self


def _shown(found: Any) -> Any:
    return found if isinstance(found, bool | int | float) else str(found)


class Replay(Model):
    """``[replay]``: how much of the history is put before the candidates."""

    sample: Annotated[int, limits(1, 100_000_000)] | None = Field(
        default=None, description="conversations to replay, stratified; default: all"
    )
    since: Day | None = Field(
        default=None,
        description="replay only what began on that day or later; load and volumes still follow "
        "the whole history",
    )

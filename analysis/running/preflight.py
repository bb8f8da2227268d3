"""What a request will need, told before it starts: time, memory for its largest batch, bytes kept in the store."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from headscope.analysis.errors import InputError
from headscope.analysis.registry import METHODS, PROBES, Cost, Entry, analysis
from headscope.analysis.registry.entry import UNITS
from headscope.analysis.registry.receipts import head_removals, noise_draws, other_baseline, scores_only
from headscope.analysis.types import HEAD_STATS, LAYER_STATS, ModelInfo

_FLOAT, _HALF, _CANDIDATES, _TEXT = 4, 2, 20, 8
RECEIPTS = "receipts"
_PER_HEAD = {"attention_raw", "attention_x_gradient"}


@dataclass(frozen=True, slots=True)
class Preflight:
    """Prediction for a request. memory_bytes: of one worker beside the model, in its largest batch; stored_bytes:
    arrays before compression, attention artifacts included; longest: tokens of the longest prompt. passes: forward
    passes a prompt at most, on average. seconds: predicted for one worker, by the speed of a pass measured here (0: not
    known) and what converges early or is shared as a rule. costliest: the analyses that take most of it, with their
    shares. warning: what is wrong with the model.
    """

    n_prompts: int
    n_batches: int
    longest: int
    memory_bytes: int
    stored_bytes: int
    warning: str = ""
    passes: float = 0.0
    seconds: float = field(default=0.0, compare=False)
    costliest: tuple[tuple[str, float], ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Size:
    """How long a prompt is."""

    tokens: int
    words: int
    sentences: int = 1

    def units(self, kind: str) -> int:
        """How many units of a kind there are."""
        return {"token": self.tokens, "sentence": self.sentences}.get(kind, self.words)


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast a model is here: seconds of a call, however little it reads, and of every token that it reads."""

    call: float = 0.0
    token: float = 0.0


@dataclass(frozen=True, slots=True)
class Effort:
    """What one prompt takes, in forward passes over it. most: an upper bound. usual: what is taken of it as a rule, as
    some converge early and variants of a prompt share passes. calls: of the model, for a prompt alone."""

    most: float = 0.0
    usual: float = 0.0
    calls: float = 0.0

    def __add__(self, other: Effort) -> Effort:
        return Effort(self.most + other.most, self.usual + other.usual, self.calls + other.calls)

    def times(self, count: float) -> Effort:
        """So many of it."""
        return Effort(count * self.most, count * self.usual, count * self.calls)

    def seconds(self, tokens: int, beside: int, speed: Speed) -> float:
        """How long it takes for a prompt of so many tokens in a batch of `beside`, which share calls until these are
        full."""
        full = self.usual * tokens / TOKENS_PER_CALL
        return self.usual * tokens * speed.token + max(self.calls / max(1, beside), full) * speed.call


Asked = Mapping[str, Mapping[str, Any]]
"""The parameters, in full, of everything that is asked for by its name."""
TOKENS_PER_CALL = 1024
SHARED = ""
_BACKWARD = 2.0
"""The shared backward pass, in forward passes."""
_USUAL_BACKWARD = 1.0


def efforts(asked: Asked, size: Size, info: ModelInfo) -> dict[str, Effort]:
    """What everything asked for costs a prompt, by its name; under `SHARED` the passes that all share. Receipts ask
    every method again, for each draw of noise and another baseline."""
    entries = {name: analysis(name) for name in asked}
    drawn_here = _drawn_here(asked)
    found = {
        name: effort(entry.cost, asked[name], size, info).times(drawn_here.get(name, 1.0))
        for name, entry in entries.items()
    }
    found[SHARED] = _shared(entries.values())
    if (settings := asked.get(RECEIPTS)) is not None:
        for name in asked.keys() & METHODS.keys():
            entry, draws = entries[name], noise_draws(entries[name].needs, settings)
            again = draws + settings["weight_randomisation"]
            copies = _shared([entry]).times(again) if entry.needs.gradients or not found[name].most else Effort()
            other = other_baseline(entry, asked[name], settings["second_baseline"])
            scores = effort(entry.cost, scores_only(entry, asked[name]), size, info)
            found[RECEIPTS] += copies + scores.times(again + (other is not None))
        without = float(head_removals(asked.keys(), settings))
        found[RECEIPTS] += Effort(without, without, without * size.tokens / TOKENS_PER_CALL)
    return found


def _drawn_here(asked: Asked) -> dict[str, float]:
    """Of each probe that samples, the share of its continuations that no probe before it has drawn, in the order in
    which they run: as `probes.samples.Sampler` shares them."""
    found, drawn = dict[str, float](), set[tuple[Any, ...]]()
    for name in PROBES:
        params = asked.get(name, {})
        if "samples" in params:
            settings = (params["max_new_tokens"], params["temperature"], params["top_p"])
            mine = {(*settings, params["seed"] + i) for i in range(params["samples"])}
            found[name] = len(mine - drawn) / len(mine)
            drawn |= mine
    return found


def total(found: Iterable[Effort]) -> Effort:
    """Of all together."""
    return sum(found, Effort())


def effort(cost: Cost, params: Mapping[str, Any], size: Size, info: ModelInfo) -> Effort:
    """What is taken beside the shared passes."""
    most = own_passes(cost, params, size, info)
    here = cost.under(params)
    rows = {"head": info.n_heads, "cell": size.tokens}.get(here.per, most if here.per else 1.0)
    if here.per == "answer":  # a call for the token, and for each layer one of the unembedding's share of the weights
        rows = most / (1 + _reading(info))
    calls = most / rows if most else 0.0
    if (written := params.get("max_new_tokens")) is not None:
        calls = most * written  # continuations one after another, and each token waits for the one before
    return Effort(most, most * here.usual, calls)


def _shared(entries: Iterable[Entry]) -> Effort:
    back = any(entry.needs.gradients for entry in entries)
    usual = 1.0 + _USUAL_BACKWARD * back
    return Effort(1.0 + _BACKWARD * back, usual, usual)


def shared_passes(asked: Iterable[Entry]) -> float:
    """Forward passes of what all analyses of a prompt share, at most."""
    return _shared(asked).most


def own_passes(cost: Cost, params: Mapping[str, Any], size: Size, info: ModelInfo) -> float:
    """Forward passes over one prompt beside the shared ones, at most."""
    units: dict[str, float] = {kind: size.units(kind) for kind in UNITS}
    reading = _reading(info)
    return cost.forwards(
        params,
        {
            **units,
            "head": info.n_layers * info.n_heads,
            "cell": info.n_layers * size.tokens,
            "unembedding": reading,
            "answer": (info.n_heads * reading + 1) / max(1, size.tokens),
        },
    )


def _reading(info: ModelInfo) -> float:
    """What unembedding a token's state in every layer takes, in forward passes over that token."""
    return info.n_layers * info.vocab_size * info.d_model / max(1, info.n_params)


def check_minutes(needs: Preflight, most: float, workers: int) -> None:
    """Refuses a request that is predicted to take more than so many minutes on so many workers; 0 refuses nothing.

    Raises InputError, kind `too_long_to_wait`.
    """
    minutes = needs.seconds / 60 / max(1, min(workers, needs.n_batches))
    if not most or minutes <= most:
        return
    named = ", ".join(f"{name} ({share:.0%})" for name, share in needs.costliest)
    raise InputError(
        f"this request is predicted to take {minutes:,.3g} minutes, and --max-minutes allows {most:g}. Most of it is "
        f"{named}: leave out what you do not need, take fewer prompts, give each prompt a --budget of forward passes, "
        "or raise --max-minutes.",
        "too_long_to_wait",
    )


def stored_bytes(info: ModelInfo, length: int, analyses: Collection[str], methods: Collection[str]) -> int:
    """Bytes of the arrays one prompt of `length` tokens leaves in the store, before compression."""
    layers, heads = info.n_layers, info.n_heads
    total = length * (5 * _FLOAT + _CANDIDATES * (2 * _FLOAT + _TEXT))
    if "heads" in analyses:
        total += len(HEAD_STATS) * layers * heads * _FLOAT
    if "layers" in analyses:
        total += layers * (len(LAYER_STATS) + length) * _FLOAT
    if "logit_lens" in analyses:
        total += layers * length * (3 * _FLOAT + _TEXT)
    if "attention" in analyses:
        total += layers * heads * length * length * _HALF
    for name in methods:
        total += (layers * heads if name in _PER_HEAD else layers + 2) * length * _FLOAT
    return total


def preflight(
    info: ModelInfo,
    lengths: Sequence[int],
    batch_bytes: Sequence[int],
    analyses: Collection[str],
    methods: Collection[str],
) -> Preflight:
    """The prediction for prompts of `lengths` tokens in batches that need `batch_bytes` of memory each."""
    return Preflight(
        n_prompts=len(lengths),
        n_batches=len(batch_bytes),
        longest=max(lengths, default=0),
        memory_bytes=max(batch_bytes, default=0),
        stored_bytes=sum(stored_bytes(info, length, analyses, methods) for length in lengths),
    )

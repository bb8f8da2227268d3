"""What is asked of a model, and the identity of what comes out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Literal, get_args

from headscope.analysis import bounds
from headscope.analysis.types.models import ModelInfo, ModelRef
from headscope.analysis.types.prompts import Prompt
from headscope.analysis.types.values import Params, canonical_hash

MOST_NEW_TOKENS, MOST_TEMPERATURE = 1_000_000, 1000.0


@dataclass(frozen=True, slots=True)
class GenerationParams:
    """Continuation settings; `max_new_tokens=0` asks for none, `temperature=0` is greedy."""

    max_new_tokens: int = 0
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises InputError for what no generation can use."""
        bounds.whole("max_new_tokens", self.max_new_tokens, 0, MOST_NEW_TOKENS)
        bounds.number("temperature", self.temperature, 0, MOST_TEMPERATURE)
        bounds.number("top_p", self.top_p, 0, 1)
        bounds.whole("seed", self.seed)


Quantity = Literal["logprob", "logit"]

Explained = Literal["next", "target", "continuation"]

QUANTITIES: tuple[str, ...] = get_args(Quantity)

EXPLAINED: tuple[str, ...] = get_args(Explained)

DType = Literal["float32", "bfloat16", "float16"]

DTYPES: tuple[str, ...] = get_args(DType)

DEVICE = re.compile(r"cpu|mps|cuda(:\d{1,3})?")
"""What a device may be called; which of them are here only torch knows."""


@dataclass(frozen=True, slots=True)
class RunSpec:
    """What to compute for every prompt of a request. `params` maps an analysis name to its parameters.

    quantity: what attributions explain, `logprob` or `logit` (of the target, or of target minus foil).
    explain: `next`, the token after the prompt; `target`, all tokens of a target together (their joint
    log-probability); or `continuation`, every generated token by the tokens before it.
    chat: the prompt's text is the user's turn in the model's chat template.
    start_token: the model's own start token stands before every prompt, also where the tokenizer puts none.
    device: where the model computes. budget: most forward passes a prompt may take, 0 for no limit: what does not fit
    is done with fewer steps or left out, and says so.
    interventions: codes (`types.interventions`) of what is changed in the model while it reads each prompt, in order.
    """

    model: ModelRef
    prompts: tuple[Prompt, ...]
    analyses: tuple[str, ...]
    seed: int = 0
    generation: GenerationParams = field(default_factory=GenerationParams)
    params: Mapping[str, Params] = field(default_factory=dict)
    quantity: str = "logprob"
    explain: str = "next"
    chat: bool = False
    start_token: bool = False
    device: str = "cpu"
    budget: int = 0
    interventions: tuple[str, ...] = ()

    @property
    def spec_hash(self) -> str:
        """sha256 (hex) of everything but the prompts; the order of analyses and of keys does not matter.

        Of the device only its kind, for other kinds round otherwise; the CPU is not named, as in older hashes.
        """
        kind = self.device.partition(":")[0]
        return canonical_hash(
            {
                "model": asdict(self.model),
                "analyses": sorted(self.analyses),
                "seed": self.seed,
                "generation": asdict(self.generation),
                "params": {name: dict(p) for name, p in self.params.items() if p},
                "quantity": self.quantity,
                "explain": self.explain,
                "chat": self.chat,
                **({"start_token": True} if self.start_token else {}),  # without it the keys are those of before
                **({} if kind == "cpu" else {"device": kind}),
                **({"budget": self.budget} if self.budget else {}),
                **({"interventions": list(self.interventions)} if self.interventions else {}),
            }
        )


def result_key(info: ModelInfo, spec: RunSpec, prompt: Prompt, code_version: str) -> str:
    """Identity of a result: same weights, tokenizer, text, target, foil, spec and code give the same key (sha256 hex).

    The model's display name and folder are left out on purpose: the same weights under another name are a cache hit.
    The counterfactual is part of it where there is one: leave it out where nothing asked for reads it.
    """
    weights = ModelRef(name="", backend=info.ref.backend, dtype=info.ref.dtype, weights_sha256=info.ref.weights_sha256)
    spec_hash = replace(spec, model=weights, prompts=()).spec_hash
    given = [info.tokenizer_sha256, spec_hash, prompt.text, prompt.target, prompt.foil, prompt.invalid, code_version]
    # without a counterfactual the keys are those of before
    return canonical_hash(given if prompt.counterfactual is None else [*given, prompt.counterfactual])

"""A request for runs, as a command, a page or a JSON body makes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from headscope.analysis.errors import InputError
from headscope.analysis.registry import LOADED_HERE
from headscope.analysis.types import GenerationParams, ModelRef, Prompt, PromptSet, RunSpec, with_partners
from headscope.jobs import checks


@dataclass(frozen=True, slots=True)
class JobRequest:
    """Everything a job needs. `batch_size` is the most prompts in one forward pass; `name` what the store calls the
    model, when that is not how it was asked for; `fresh` computes also what the store has, and replaces it there;
    `chat` puts every prompt into the model's chat template, as the user's turn; `start_token` puts the model's own
    start token before it; `device` is where it computes, `backend` what loads the model; `budget` is the most forward
    passes for one prompt, 0 for no limit; `max_minutes` refuses what is predicted to take longer, 0 nothing;
    `interventions` are codes of what is changed in the model meanwhile (`types.interventions`)."""

    experiment: str
    model: str
    prompt_set: PromptSet
    analyses: tuple[str, ...]
    batch_size: int = 16
    seed: int = 0
    generation: GenerationParams = field(default_factory=GenerationParams)
    params: Mapping[str, Mapping[str, Any]] | None = None
    quantity: str = "logprob"
    explain: str = "next"
    name: str = ""
    fresh: bool = False
    dtype: str = "float32"
    chat: bool = False
    start_token: bool = False
    device: str = "cpu"
    backend: str = LOADED_HERE
    budget: int = 0
    max_minutes: float = 0.0
    interventions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises InputError for a field of the wrong type or out of range."""
        checks.check(self)

    def spec(self) -> RunSpec:
        """The RunSpec of all prompts, each with its counterfactual partner where it has one."""
        return RunSpec(
            ModelRef(self.model, backend=self.backend, dtype=self.dtype),
            with_partners(self.prompt_set.prompts),
            self.analyses,
            self.seed,
            self.generation,
            self.params or {},
            self.quantity,
            self.explain,
            self.chat,
            self.start_token,
            self.device,
            self.budget,
            self.interventions,
        )

    def require_prompts(self) -> None:
        """Raises InputError when there is nothing to run."""
        if not self.prompt_set.prompts:
            raise InputError(
                f"prompt set {self.prompt_set.name!r} holds no prompts, so there is nothing to run: name another."
            )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> JobRequest:
        """Inverse of `to_json`; raises InputError naming what is wrong, two prompts of one id too."""
        try:
            parts = {"prompt_set", "generation", "analyses", "interventions"}
            rest = {key: value for key, value in data.items() if key not in parts}
            return cls(
                prompt_set=_prompt_set(data["prompt_set"]),
                generation=GenerationParams(**(data.get("generation") or {})),
                analyses=tuple(data["analyses"]),
                interventions=tuple(data.get("interventions") or ()),
                **rest,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"this is not a job request: {type(error).__name__}: {error}") from error


def _prompt_set(data: Mapping[str, Any]) -> PromptSet:
    sets = dict(data)
    prompts = tuple(map(_prompt, sets.pop("prompts")))
    sets["warnings"] = tuple(sets.get("warnings") or ())
    sets["parts"] = tuple(map(_prompt_set, sets.get("parts") or ()))
    return PromptSet(prompts=prompts, **sets)


def _prompt(row: Mapping[str, Any]) -> Prompt:
    """Only texts may stand in it: the ids 1 and "1" would be one prompt in the store."""
    prompt = Prompt(**{**row, "tags": tuple(row.get("tags") or ())})
    texts = (prompt.id, prompt.text, *prompt.tags)
    others = (prompt.target, prompt.foil, prompt.group, prompt.pair_id, prompt.invalid, prompt.counterfactual)
    if not prompt.id or not all(isinstance(text, str) for text in (*texts, *(it for it in others if it is not None))):
        raise ValueError(f"a prompt needs an id, and every field of it is text: {row!r:.200}")
    return prompt

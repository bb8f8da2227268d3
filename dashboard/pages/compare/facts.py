"""What differs between two runs before any number is looked at: input, model, configuration, and what that means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from headscope.analysis.registry import BLACK_BOX
from headscope.analysis.types import ModelInfo, RunStatus
from headscope.dashboard.text import visible
from headscope.dashboard.words import shape
from headscope.storage.rows import RunDetail

CIRCUMSTANCES = frozenset({"batch_size", "threads", "platform", "notes", "seconds"})  # change nothing but rounding
SHOWN_ALREADY = frozenset({"model", "architecture", "revision", "dtype", "seed"})


class Part(StrEnum):
    """What a fact belongs to. A difference in the configuration is a reason to doubt the comparison."""

    INPUT = "input"
    MODEL = "model"
    CONFIGURATION = "configuration"
    ORIGIN = "origin"


@dataclass(frozen=True, slots=True)
class Fact:
    """One property of both runs, as text; None where a run does not have it."""

    part: Part
    label: str
    a: str | None
    b: str | None

    @property
    def differs(self) -> bool:
        """Whether the two runs disagree here."""
        return self.a != self.b


def facts(a: RunDetail, b: RunDetail) -> tuple[Fact, ...]:
    """Every property in a fixed order: input, model, configuration, origin."""
    rows_a, rows_b = _rows(a) | _settings(a, b), _rows(b) | _settings(b, a)
    keys = [*rows_a, *(key for key in rows_b if key not in rows_a)]
    order = list(Part)
    found = [Fact(part, label, rows_a.get((part, label)), rows_b.get((part, label))) for part, label in keys]
    return tuple(sorted(found, key=lambda fact: order.index(fact.part)))


def warnings(rows: tuple[Fact, ...]) -> tuple[str, ...]:
    """Sentences for the reader: what makes the difference between these runs hard to interpret."""
    changed = {
        part: [fact.label for fact in rows if fact.part is part and fact.differs and None not in (fact.a, fact.b)]
        for part in Part
    }
    said = []
    if changed[Part.CONFIGURATION]:
        said.append(
            f"The runs were made with different configurations ({_listed(changed[Part.CONFIGURATION])}): "
            "part of what differs below may come from that."
        )
    if "Model" in changed[Part.MODEL] and "Text" in changed[Part.INPUT]:
        said.append(
            "Both the model and the text differ: a difference below cannot be put down to one of them. Compare one "
            "text on two models, or two texts on one model."
        )
    elif changed[Part.MODEL] and "Model" not in changed[Part.MODEL]:
        said.append("The models have the same name but are not the same: their weights or tokenizers differ.")
    return tuple(said)


Tokenizers = Literal["same", "different", "unknown"]
BEHIND_API = "is behind an API, which tells nothing of its inside or of the tokens of the text"


def tokenizers(a: RunDetail, b: RunDetail) -> Tokenizers:
    """Whether token ids mean the same on both sides; of a model behind an API neither ids nor tokenizer are known."""
    if any(behind_api(run) or not run.model.tokenizer_sha256 for run in (a, b)):
        return "unknown"
    return "same" if a.model.tokenizer_sha256 == b.model.tokenizer_sha256 else "different"


def behind_api(run: RunDetail) -> bool:
    """Whether only the answers of the run's model are known."""
    return run.model.ref.backend == BLACK_BOX


def missing(name: str, run: RunDetail, what: str) -> str:
    """Why run `name` has no `what`: it failed, is not done, or was not asked for it."""
    if run.row.status is RunStatus.FAILED:
        return f"Run {name} failed and has no {what}: {run.row.error or 'no reason was stored'}"
    if run.row.status in (RunStatus.QUEUED, RunStatus.RUNNING):
        return f"Run {name} is still {run.row.status.value}; its {what} will be here when it has finished."
    if run.row.status is RunStatus.CANCELLED:
        return f"Run {name} was cancelled before its {what} was measured."
    if behind_api(run):
        return f"Run {name} has no {what}: its model {BEHIND_API}."
    return f"Run {name} has no {what}: it was made without that analysis."


def ask_again(lacking: Sequence[RunDetail], analysis: str) -> list[str]:
    """What to do for runs that lack what `analysis` measures; nothing where no run of the model could have it."""
    if all(behind_api(run) for run in lacking):
        return []
    return [f"Run the prompt again with the analysis “{analysis}” to have it."]


def _rows(run: RunDetail) -> dict[tuple[Part, str], str | None]:
    row, model = run.row, run.model
    rows: dict[tuple[Part, str], str | None] = {
        (Part.INPUT, "Text"): row.text,
        (Part.INPUT, "Target"): None if row.target is None else visible(row.target),
        (Part.INPUT, "Foil"): None if row.foil is None else visible(row.foil),
        (Part.MODEL, "Model"): model.ref.name,
        (Part.MODEL, "Architecture"): model.architecture,
        (Part.MODEL, "Weights"): _short_hash(model.ref.weights_sha256),
        (Part.MODEL, "Tokenizer"): _short_hash(model.tokenizer_sha256),
        (Part.MODEL, "Shape"): _shape(model),
        (Part.CONFIGURATION, "Number format"): model.ref.dtype,
        (Part.CONFIGURATION, "Seed"): str(run.seed),
        (Part.ORIGIN, "Experiment"): row.experiment,
        (Part.ORIGIN, "Prompt"): f"{row.prompt_set} / {row.prompt_key}" if row.prompt_set else row.prompt_key,
        (Part.ORIGIN, "Analyses"): ", ".join(run.analyses) or None,
        (Part.ORIGIN, "Made"): f"{row.created_at:%Y-%m-%d %H:%M}",
    }
    for label, value in _capsule(run.capsule).items():
        rows[Part.ORIGIN if label in CIRCUMSTANCES else Part.CONFIGURATION, label.replace("_", " ")] = value
    return rows


def _settings(run: RunDetail, other: RunDetail) -> dict[tuple[Part, str], str]:
    """Every method's settings, of a method of both runs those that both say: an older program had fewer, or did not say
    what made no difference."""
    theirs = {one.method: one.params for one in other.attributions}
    found = {}
    for one in run.attributions:
        both = {name: value for name, value in one.params.items() if name in theirs.get(one.method, one.params)}
        found[Part.CONFIGURATION, f"{one.method.replace('_', ' ')} settings"] = _flat(both) or "defaults"
    return found


def _capsule(capsule: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Capsule entries flattened to `packages.torch`-like labels, without what stands with the model already."""
    flat: dict[str, str] = {}
    for key, value in capsule.items():
        if key in SHOWN_ALREADY or key.endswith("sha256"):
            continue
        if isinstance(value, Mapping):
            flat |= _capsule(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = str(value)
    return flat


def _flat(params: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} = {visible(str(value))}" for key, value in sorted(params.items()))


def _shape(model: ModelInfo) -> str | None:
    """None for a model behind an API, of which nothing inside is known."""
    return f"{shape(model.n_layers, model.n_heads)}, width {model.d_model}" if model.n_layers else None


def _short_hash(value: str) -> str | None:
    return value[:12] or None


def _listed(labels: list[str], most: int = 4) -> str:
    more = f" and {len(labels) - most} more" if len(labels) > most else ""
    return ", ".join(labels[:most]) + more

"""The command that computes a run again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence

from dash import html
from dash.development.base_component import Component

from headscope.analysis.blackbox.answer_rows import CONSISTENCY, WORDING
from headscope.analysis.registry import BLACK_BOX, DEFAULT_SET, LOADED_HERE, STANDARD
from headscope.analysis.types import UNREADABLE, GenerationParams
from headscope.analysis.types.attributions import partner_of
from headscope.analysis.types.findings import ProbeResult
from headscope.dashboard.blotted import BlottedRun
from headscope.dashboard.cards import copyable
from headscope.dashboard.words import plural
from headscope.storage.rows import RunDetail, RunRow


def again(detail: RunDetail) -> Component:
    """The command to copy; not of a text that is covered, which it would hold."""
    if isinstance(detail, BlottedRun):
        return html.P("The command holds the covered text: show the text first.", className="hs-muted")
    said = [html.P(text, className="hs-muted hs-note-line") for text in left_behind(detail)]
    return html.Div([copyable(again_command(detail)), *said]) if said else copyable(again_command(detail))


def left_behind(detail: RunDetail) -> list[str]:
    """What the command brings with it, or does not bring back, of a run whose answers were tested."""
    if not _tested(detail) or detail.row.pair_id is None:
        return []
    n = len(wordings := _wordings(detail))
    if wordings:
        return [f"The command asks {plural(n, 'other wording')} of the question as well, as this run was held against "
                f"{'it' if n == 1 else 'them'}: with this run's target, and as {'a run' if n == 1 else 'runs'} of "
                f"{'its' if n == 1 else 'their'} own."]  # fmt: skip
    return ["The command asks this prompt only. What the tests say of prompts of a pair together takes the whole set."]


def again_command(detail: RunDetail) -> str:
    """A shell line that feeds this one prompt to `headscope run` with the same model, analyses and seed."""
    row = detail.row
    partner = partner_of(detail.attributions)
    given = (("target", row.target), ("foil", row.foil), ("invalid", _invalid(row)), ("counterfactual", partner))
    prompt = {"text": row.text} | {k: v for k, v in given if v is not None}
    if detail.model.ref.backend == BLACK_BOX:
        own = {"id": row.prompt_key, **prompt, **_pair(detail, row.group_name)} if _tested(detail) else prompt
        return _piped([own, *_wordings(detail)], _black_box(detail))
    words = ["headscope", "run", "--prompts", "-", "--model", _asked(detail), "--analyses", _analyses(detail)]
    words += ["--name", row.model] if row.model != _asked(detail) else []
    words += ["--experiment", row.experiment, "--seed", str(detail.seed), "--fresh"]
    for option, usual in (("quantity", "logprob"), ("explain", "next"), ("dtype", "float32"), ("device", "cpu")):
        if (given := detail.capsule.get(option, usual)) != usual:
            words += [f"--{option}", given]
    words += [] if detail.model.ref.backend == LOADED_HERE else ["--backend", detail.model.ref.backend]
    words += [f"--{name}" for name in ("chat", "start-token") if detail.capsule.get(name.replace("-", "_"))]
    words += [word for code in detail.capsule.get("interventions") or () for word in ("--intervene", code)]
    if detail.continuation is not None:
        words += _generation(detail.continuation.params)
    for item in detail.attributions:
        words += _params(detail, item.method)
    return _piped([prompt], words)


def _tested(detail: RunDetail) -> bool:
    """Whether a black-box model's answers were tested instead of explained."""
    asked = (detail.capsule.get("params") or {}).get("blackbox") or {}
    return detail.model.ref.backend == BLACK_BOX and bool(asked.get("tests"))


def _pair(detail: RunDetail, group: str | None) -> dict[str, str]:
    given = (("group", group), ("pair_id", detail.row.pair_id))
    return {name: value for name, value in given if value}


def _wordings(detail: RunDetail) -> list[dict[str, str]]:
    """The other wordings of its question that the answer was held against, as prompts."""
    told = [one.evidence for one in detail.findings if isinstance(one, ProbeResult) and one.probe == CONSISTENCY]
    rows = [row for evidence in told for row in evidence.get("again", ()) if row["kind"] == WORDING]
    target = {"target": detail.row.target} if detail.row.target else {}
    return [{"id": row["of"], "text": row["text"], **target, **_pair(detail, row["change"])} for row in rows]


def _analyses(detail: RunDetail) -> str:
    return DEFAULT_SET if detail.analyses == STANDARD else ",".join(detail.analyses)


def _invalid(row: RunRow) -> str | None:
    """Why the prompt was no text; what the store has of it would be another prompt."""
    return row.error if row.error_kind in UNREADABLE else None


def _asked(detail: RunDetail) -> str:
    """The model as it was asked for, which may not be the name the store has for it."""
    return str(detail.capsule.get("model") or detail.row.model)


def _piped(prompts: Sequence[dict[str, str]], words: list[str]) -> str:
    lines = " ".join(shlex.quote(json.dumps(prompt, ensure_ascii=False)) for prompt in prompts)
    return f"printf '%s\\n' {lines} | {shlex.join(words)}"


def _black_box(detail: RunDetail) -> list[str]:
    """The settings are those of the run; answers that are still known cost nothing."""
    given = detail.capsule["params"]["blackbox"]
    words = ["headscope", "blackbox", "--prompts", "-", "--api", detail.capsule["api"], "--model", detail.row.model]
    words += ["--experiment", detail.row.experiment, "--unit", given["unit"], "--masking", given["masking"]]
    words += ["--permutations", str(given["permutations"]), "--samples", str(given["samples"])]
    words += ["--max-new-tokens", str(given["max_tokens"]), "--temperature", str(given["temperature"])]
    words += ["--seed", str(given["seed"]), *(["--chat"] if detail.capsule["chat"] else [])]
    words += [] if given.get("early") else ["--no-early"]
    words += ["--force-target"] if given.get("forced") else []
    words += ["--test"] if given.get("tests") else []
    return words + ([] if given["edits"] else ["--no-edits"])


def _generation(params: GenerationParams) -> list[str]:
    return [
        "--max-new-tokens", str(params.max_new_tokens),
        "--temperature", str(params.temperature),
        "--top-p", str(params.top_p),
    ]  # fmt: skip


def _params(detail: RunDetail, method: str) -> list[str]:
    """Parameters of a method that the request set, when the capsule kept them."""
    given = (detail.capsule.get("params") or {}).get(method) or {}
    return [word for name, value in given.items() for word in ("--param", f"{method}.{name}={value}")]

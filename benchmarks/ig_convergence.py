"""What `converged` of integrated gradients is worth: its scores against a fine quadrature, on the embedded model.

Error of a run: the largest difference of any token's score from the reference, as a share of the largest |score| there.
Over runs that say converged the target is 0.5 % in the median, 2 % at p90, 5 % at worst. The defaults were chosen on
the prompts 3, 13, 23, ... of the demo set; these here are 7, 17, 27, ... and some of our own.
`PROMPTS=20` in the environment chooses how many, `REFERENCE=512` the Gauss-Legendre nodes of the reference.
"""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np

from benchmarks.harness import write_result
from headscope.analysis.backends.hf_causal import HFCausalBackend
from headscope.analysis.interfaces import Capture
from headscope.analysis.methods.integrated_gradients import IntegratedGradients
from headscope.analysis.types import Attribution, Prompt
from headscope.analysis.workspace import Workspace
from headscope.datasets import prompt_sets

MODEL = "smollm2-135m-instruct"
PROMPTS = int(os.environ.get("PROMPTS", "20"))
REFERENCE = int(os.environ.get("REFERENCE", "512"))
TARGETS = {"median": 0.005, "p90": 0.02, "worst": 0.05}
OWN = (
    Prompt("own-1", "The ferry leaves the harbour at six, so we must be there by", " five", " seven"),
    Prompt("own-2", "My grandmother baked bread every Sunday, and the kitchen smelled of"),
    Prompt("own-3", "Water freezes at zero degrees and boils at one", " hundred", " thousand"),
    Prompt("own-4", "The violins that Clara repaired last winter", " are", " is"),
    Prompt("own-5", "Omar lent Ines his umbrella because she had forgotten", " hers", " his"),
    Prompt("own-6", "First it rained, then it snowed, and in the end it"),
)


def main() -> None:
    started = time.perf_counter()
    backend = HFCausalBackend.load(MODEL)
    chosen = [*prompt_sets.load("demo").prompts[7::10][: max(0, PROMPTS - len(OWN))], *OWN[:PROMPTS]]
    rows = []
    for prompt in chosen:
        found, fine = (
            explain(backend, prompt, **params) for params in ({}, {"rule": "gausslegendre", "n_steps": REFERENCE})
        )
        if found.error is None:
            rows.append(compared(found, fine))
            print(f"{prompt.id}: " + ", ".join(f"{name} {value}" for name, value in rows[-1].items()), flush=True)
    good = np.array([row["error"] for row in rows if row["converged"]])
    errors = {"median": np.median(good), "p90": np.quantile(good, 0.9), "worst": good.max()} if len(good) else {}
    write_result(
        "ig_convergence",
        {
            "model": MODEL,
            "prompts": len(rows),
            "converged": len(good),
            "error_of_converged": {name: round(float(value), 5) for name, value in errors.items()},
            "targets": TARGETS,
            "error_of_others": sorted(row["error"] for row in rows if not row["converged"]),
            "mean_steps": round(float(np.mean([row["steps"] for row in rows])), 1),
            "tokens_within_their_error_bar": round(float(np.mean([row["covered"] for row in rows])), 4),
            "reference_nodes": REFERENCE,
            "seconds": round(time.perf_counter() - started),
        },
    )


def explain(backend: HFCausalBackend, prompt: Prompt, **params: Any) -> Attribution:
    work = Workspace(backend, [backend.tokenize(prompt.text)], Capture(gradients=True))
    target = backend.resolve_target(work.texts[0], prompt.target, prompt.foil, work.next_logprobs[0])
    (found,) = IntegratedGradients().attribute(work, [target], params)
    return found


def compared(found: Attribution, fine: Attribution) -> dict[str, Any]:
    """Error and cost of a run; covered: share of tokens whose true error is within the estimated one."""
    there = np.isfinite(fine.scores)
    off = np.abs(found.scores - fine.scores)[there]
    scale = float(np.abs(fine.scores[there]).max())
    assert found.score_errors is not None
    return {
        "converged": found.outcome.converged,
        "steps": found.outcome.steps,
        "error": round(float(off.max()) / scale, 5),
        "estimated": round(float(found.score_errors[there].max()) / scale, 4),
        "covered": round(float((off <= found.score_errors[there] + 1e-4 * scale).mean()), 3),
    }


if __name__ == "__main__":
    main()

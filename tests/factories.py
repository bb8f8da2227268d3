"""Realistic results made with numpy alone: no model, any size, the same for the same seed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from headscope.analysis.types import (
    HEAD_STATS,
    LAYER_STATS,
    Attribution,
    Continuation,
    GenerationParams,
    HeadSummary,
    LayerSummary,
    LensTable,
    ModelInfo,
    ModelRef,
    Prompt,
    PromptSet,
    RunResult,
    RunStatus,
    Target,
    TokenizedText,
    TokenTrace,
    canonical_hash,
)
from headscope.analysis.types.receipts import Receipt, RemovalCurves, Verdict

NAN = float("nan")


def make_info(name: str = "tiny", **changes: object) -> ModelInfo:
    """A model; `weights` names its weights."""
    ref = ModelRef(name, None, "hf_causal", "float32", canonical_hash(changes.pop("weights", name)))
    values: dict[str, object] = {
        "architecture": "LlamaForCausalLM",
        "n_layers": 4,
        "n_heads": 3,
        "n_kv_heads": 1,
        "d_model": 48,
        "vocab_size": 500,
        "context_length": 64,
        "n_params": 3_000_000_000,
        "tokenizer_sha256": canonical_hash("tokenizer"),
        "source": "folder",
        "path": "/models/tiny",
    }
    return ModelInfo(ref=ref, **(values | changes))  # type: ignore[arg-type]


def make_prompt(key: str = "p1", text: str = "The cat sat on the mat", **changes: object) -> Prompt:
    values: dict[str, object] = {"target": " and", "foil": " but", "group": "g", "pair_id": "pair", "tags": ("a", "b")}
    return Prompt(key, text, **(values | changes))  # type: ignore[arg-type]


def make_set(*prompts: Prompt, name: str = "demo", version: str = "1") -> PromptSet:
    digest = canonical_hash([[p.id, p.text, p.target, p.foil] for p in prompts])
    return PromptSet(name, version, "MIT", "to test", digest, prompts, "made here")


def make_tokens(text: str) -> TokenizedText:
    """One token per run of a space and letters, as byte-level BPE would; a token per character for emoji."""
    starts = [i for i, c in enumerate(text) if i == 0 or c == " " or ord(c) > 0x2FFF or ord(text[i - 1]) > 0x2FFF]
    spans = np.array([starts, [*starts[1:], len(text)]], dtype=np.int32).T.reshape(-1, 2)
    texts = tuple(text[start:end] for start, end in spans)
    n = len(starts)
    return TokenizedText(text, np.arange(n, dtype=np.int32) + 7, texts, spans, np.arange(n, dtype=np.int32),
                         np.zeros(n, dtype=np.bool_))  # fmt: skip


def make_trace(text: str, rng: np.random.Generator, k: int = 20) -> TokenTrace:
    tokens = make_tokens(text)
    n = len(tokens)
    logprobs = -rng.gamma(2.0, 2.0, n).astype(np.float32)
    entropies = rng.gamma(2.0, 1.0, n).astype(np.float32)
    ranks = rng.integers(1, 400, n).astype(np.int32)
    logprobs[0], entropies[0], ranks[0] = np.nan, np.nan, -1
    candidates = np.log(-np.sort(-rng.dirichlet(np.full(k, 0.3), n), axis=1) + 1e-9).astype(np.float32)
    return TokenTrace(
        tokens=tokens,
        logprobs=logprobs,
        ranks=ranks,
        entropies=entropies,
        topk_ids=rng.integers(0, 500, (n, k)).astype(np.int32),
        topk_logprobs=candidates,
        topk_texts=tuple(tuple(f" c{i}" if j else " the" for j in range(k)) for i in range(n)),
        next_entropy=1.25,
    )


def make_attention(shape: tuple[int, int], n: int, rng: np.random.Generator) -> np.ndarray:
    weights = np.tril(rng.random((*shape, n, n)))
    return (weights / weights.sum(-1, keepdims=True)).astype(np.float16)


def make_result(
    prompt: Prompt | None = None,
    *,
    seed: int = 0,
    shape: tuple[int, int] = (4, 3),
    attention: bool = False,
    evidence: bool = False,
) -> RunResult:
    """A whole result, with NaN where a real one has it; `evidence` adds receipts and scores over other axes."""
    prompt, rng = prompt or make_prompt(), np.random.default_rng(seed)
    trace = make_trace(prompt.text, rng)
    n = len(trace.tokens)
    heads = {name: rng.random(shape).astype(np.float32) for name in HEAD_STATS}
    for name in ("duplicate_token", "induction", "induction_lift"):
        heads[name] = np.full(shape, np.nan, np.float32)
    lens_shape = (shape[0], n)
    return RunResult(
        prompt=prompt,
        status=RunStatus.SUCCEEDED,
        result_key=canonical_hash([prompt.text, prompt.target, prompt.foil, seed]),
        seconds=0.125,
        capsule={"torch": "2.13.0", "batch_size": 16, "device": {"name": "cpu"}},
        target=Target(41, " and", 1, "given", -2.5, 4, 42, " but", 2, -3.75, 11) if prompt.target
        else Target(9, " the", 1, "predicted", -0.5, 1),
        trace=trace,
        heads=HeadSummary(**heads),
        layers=LayerSummary(
            **{name: rng.random(shape[0]).astype(np.float32) for name in LAYER_STATS},
            residual_norms=rng.random(lens_shape).astype(np.float32),
        ),
        lens=LensTable(
            rng.integers(0, 500, lens_shape).astype(np.int32),
            rng.random(lens_shape).astype(np.float32),
            tuple(tuple(f" l{layer}" for _ in range(n)) for layer in range(shape[0])),
            rng.random(lens_shape).astype(np.float32),
        ),
        attributions=make_attributions(shape, n, rng, evidence=evidence),
        attention=make_attention(shape, n, rng) if attention else None,
        continuation=Continuation(" and slept", np.array([3, 4], np.int32), (" and", " slept"),
                                  np.array([-0.5, -1.5], np.float32), GenerationParams(2, 0.5, 0.9, 7)),
    )  # fmt: skip


def make_attribution(
    method: str, scores: np.ndarray, *, signed: bool = True, delta: float = 0.25, error: str | None = None
) -> Attribution:
    return Attribution(method, "logprob_difference", " and", " but", scores.astype(np.float32), ("position",), signed,
                       1.25, delta, 0.5, {"steps": 50, "baseline": "hold_first"}, error)  # fmt: skip


def make_attributions(
    shape: tuple[int, int], n: int, rng: np.random.Generator, *, evidence: bool
) -> tuple[Attribution, ...]:
    """Unsigned, signed, failed; with `evidence` receipts for both, layers of the second, heads and a continuation."""
    unsigned = make_attribution("saliency", rng.random(n), signed=False, delta=NAN)
    signed = make_attribution("input_x_gradient", rng.standard_normal(n))
    failed = make_attribution("integrated_gradients", np.empty(0), error="the path does not converge")
    if not evidence:
        return unsigned, signed, failed
    layers = rng.standard_normal((shape[0] + 1, n)).astype(np.float32)
    layers[0, 0] = np.nan
    over_heads = make_attribution("head_ablation", rng.standard_normal(shape))
    rows = np.where(np.tri(2, n, n - 2, dtype=bool), rng.random((2, n)), np.nan)
    over_targets = make_attribution("occlusion", rows)
    return (
        replace(unsigned, receipt=make_receipt(0.8), peak_bytes=3_000_000_000),
        replace(signed, receipt=make_receipt(-0.1), layer_scores=layers, peak_bytes=0, head_scores=layers[:, :2] * 2),
        failed,
        replace(over_heads, axes=("layer", "head")),
        replace(over_targets, axes=("target_position", "position")),
    )


def make_receipt(gain: float = 0.8, **changes: object) -> Receipt:
    """Evidence with this gain against random orders around 0.05 and a recency gain of 0.5; what was not asked for is
    NaN."""
    better = gain > 0.4
    fractions = np.array([0.1, 0.2, 0.5], np.float32)
    beats = Verdict.BETTER if gain > 0.5 else Verdict.BETTER_THAN_RANDOM
    values: dict[str, object] = {
        "verdict": beats if better else Verdict.NO_BETTER,
        "reason": None if better else "random orders do as well",
        "masking": "delete, newline", "n_units": 5, "n_random": 39, "fractions": fractions,
        "deletion": fractions + np.float32(gain), "insertion": fractions,
        "random_deletion": fractions * 2, "random_insertion": np.array([0.5, np.nan, 0.25], np.float32),
        "comprehensiveness": 0.25 + gain, "sufficiency": 0.25, "gain": gain, "random_gain": 0.05,
        "random_low": -0.3, "random_high": 0.4, "p_value": 0.025 if better else 0.6, "error": 0.125,
        "sensitivity": NAN, "noise_draws": 0, "randomisation": NAN, "seconds": 0.75,
        "recency_gain": 0.5, "exact": True, "shapley_top1": float(better), "shapley_tau": 0.75,
        "second_baseline": "mean embedding", "baseline_tau": 0.5,
        "removal": (make_curves("newline", gain + 0.1), make_curves("delete", gain - 0.1)),
    }  # fmt: skip
    return Receipt(**(values | changes))  # type: ignore[arg-type]


def make_curves(masking: str, gain: float) -> RemovalCurves:
    """What one masking alone says, over the fractions of `make_receipt`; NaN where a real one may have it."""
    fractions = np.array([0.1, 0.2, 0.5], np.float32)
    return RemovalCurves(
        masking, fractions + np.float32(gain), fractions, fractions * 2, np.array([0.5, np.nan, 0.25], np.float32),
        fractions * 3, fractions * 1.5, 0.25 + gain, 0.25, gain, -0.25, 0.35, 0.45,
    )  # fmt: skip


def make_failure(prompt: Prompt, *, kind: str = "too_long", seed: int = 0) -> RunResult:
    return RunResult(prompt, RunStatus.FAILED, canonical_hash([prompt.text, prompt.target, prompt.foil, seed]), 0.5,
                     {"torch": "2.13.0"}, f"the prompt cannot be used: {kind}", kind)  # fmt: skip

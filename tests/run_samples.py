"""Hand-made runs for the Run page: a whole one with every awkward thing in it, a bare one, a failed one."""

from __future__ import annotations

import numpy as np

from headscope.analysis.types import (
    HEAD_STATS,
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
)
from headscope.analysis.types.outcome import Outcome
from headscope.storage.repository import Store

LAYERS, HEADS = 2, 3
TEXT = "The cat  saw 🦊\nrun"
TOKENS = ("The", " cat", " ", " saw", " 🦊", "", "\n", "run")
T = len(TOKENS)
NAN = float("nan")
ANALYSES = ("heads", "layers", "attention", "saliency")

INFO = ModelInfo(
    ref=ModelRef("sample-model", weights_sha256="w" * 64),
    architecture="GPT2LMHeadModel",
    n_layers=LAYERS,
    n_heads=HEADS,
    n_kv_heads=HEADS,
    d_model=12,
    vocab_size=100,
    context_length=64,
    n_params=1234,
    tokenizer_sha256="t" * 64,
    source="folder",
    path="/models/sample",
)


def tokens() -> TokenizedText:
    """Eight tokens: a double space, an emoji over two tokens, a line break; words The, cat, saw, fox, run."""
    ends = np.cumsum([len(text) for text in TOKENS])
    spans = np.stack([np.r_[0, ends[:-1]], ends], axis=1).astype(np.int32)
    words = np.array([0, 1, 2, 2, 3, 3, 4, 4], dtype=np.int32)
    return TokenizedText(TEXT, np.arange(10, 10 + T, dtype=np.int32), TOKENS, spans, words, np.zeros(T, dtype=np.bool_))


def trace() -> TokenTrace:
    """Log-probabilities are multiples of ln 2, so that bits are whole numbers: token t costs t bits."""
    logprobs = np.array([NAN, *(-np.log(2) * t for t in range(1, T))], dtype=np.float32)
    entropies = np.array([NAN, *(np.log(2) * (t + 0.5) for t in range(1, T))], dtype=np.float32)
    ids = np.tile(np.array([90, 91], dtype=np.int32), (T, 1))
    ids[0, 0] = 11  # what follows token 0 is the top candidate there
    return TokenTrace(
        tokens=tokens(),
        logprobs=logprobs,
        ranks=np.array([-1, 1, 5, 4, 3, 2, 9, 700], dtype=np.int32),
        entropies=entropies,
        topk_ids=ids,
        topk_logprobs=np.tile(np.log(np.array([0.5, 0.25], dtype=np.float32)), (T, 1)),
        topk_texts=tuple((f" top{t}", " second") for t in range(T)),
        next_entropy=float(np.log(2) * 3),
    )


def attention() -> np.ndarray:
    """float16 `[2, 3, 8, 8]`, rows sum to 1, nothing above the diagonal."""
    raw = np.tril(np.random.default_rng(7).random((LAYERS, HEADS, T, T)) ** 4 + 1e-3)
    return (raw / raw.sum(-1, keepdims=True)).astype(np.float16)


def attribution(method: str, scores: list[float], *, signed: bool, **change: object) -> Attribution:
    """A contrastive attribution over positions."""
    values: dict[str, object] = {
        "method": method, "quantity": "logprob_difference", "target": " away", "foil": " off",
        "scores": np.array(scores, dtype=np.float32), "axes": ("position",), "signed": signed, "value": 1.5,
        "convergence_delta": NAN, "seconds": 0.01, "params": {},
    }  # fmt: skip
    return Attribution(**(values | change))  # type: ignore[arg-type]


SALIENCY = [4.0, 1.0, 0.5, 2.0, 0.25, 0.0, 1.0, 3.0]
SHARES = [0.5, -1.0, 0.25, 2.0, -0.125, 0.0, 0.5, -0.5]
PATH = [NAN, 1.0, 0.0, 4.0, -1.0, 0.5, 0.5, 1.0]


def attributions() -> tuple[Attribution, ...]:
    """Unsigned, signed, signed with a held first token and not converged, and one that failed."""
    path = {"params": {"baseline": "eos"}, "outcome": Outcome(
        converged=False, steps=49, error=0.75, error_label="a coarser quadrature differs by up to",
        remedy="more steps (max_steps)")}  # fmt: skip
    return (
        attribution("saliency", SALIENCY, signed=False),
        attribution("input_x_gradient", SHARES, signed=True),
        attribution("integrated_gradients", PATH, signed=True, convergence_delta=2.0, **path),
        attribution("lrp", [], signed=True, value=NAN, error="this model has no such layers"),
    )


def full() -> RunResult:
    """Everything measured; the target needs two tokens; no token repeats, so two head statistics are undefined."""
    rng = np.random.default_rng(1)
    stats = {name: rng.random((LAYERS, HEADS)).astype(np.float32) for name in HEAD_STATS}
    stats["induction"][:] = stats["induction_lift"][:] = stats["duplicate_token"][:] = NAN
    layer = {name: rng.random(LAYERS).astype(np.float32) + 0.1 for name in (
        "residual_norm", "attn_update_norm", "mlp_update_norm", "lens_prob", "kl_to_final")}  # fmt: skip
    layer |= {name: -rng.random(LAYERS).astype(np.float32) for name in ("lens_target_logprob", "lens_foil_logprob")}
    lens_ids = np.stack([np.r_[np.full(T - 1, 5), 91], np.full(T, 91)]).astype(np.int32)
    return RunResult(
        prompt=Prompt("row-1", TEXT, " away", " off", "g", "pair", ("tagged",)),
        status=RunStatus.SUCCEEDED,
        result_key="k1" * 32,
        seconds=0.25,
        capsule={"dtype": "float32", "torch": "2.13.0", "weights_sha256": "w" * 64},
        target=Target(90, " away", 2, "given", float(np.log(0.5)), 1, 77, " off", 1, float(np.log(1e-4)), 812),
        trace=trace(),
        heads=HeadSummary(**stats),
        layers=LayerSummary(
            **layer,
            lens_rank=np.array([900, 1], dtype=np.float32),
            lens_target_rank=np.array([900, 1], dtype=np.float32),
            lens_foil_rank=np.array([70, 812], dtype=np.float32),
            residual_norms=rng.random((LAYERS, T)).astype(np.float32),
        ),
        lens=LensTable(
            lens_ids, rng.random((LAYERS, T)).astype(np.float32), tuple((" x",) * T for _ in range(LAYERS)),
            rng.random((LAYERS, T)).astype(np.float32),
        ),
        attributions=attributions(),
        attention=attention(),
        continuation=Continuation(" away.", np.array([90, 4], dtype=np.int32), (" away", "."),
                                  np.array([-0.7, -1.0], dtype=np.float32), GenerationParams(2, 0.5, 0.9, 3)),
    )  # fmt: skip


def bare() -> RunResult:
    """Only the token trace."""
    return RunResult(Prompt("row-2", TEXT), RunStatus.SUCCEEDED, "k2" * 32, 0.1, {"dtype": "float32"}, trace=trace())


def failed() -> RunResult:
    """A prompt that could not be read."""
    return RunResult(Prompt("row-3", ""), RunStatus.FAILED, "k3" * 32, 0.0, {}, "the prompt is empty.", "empty")


def prompt_set(*results: RunResult) -> PromptSet:
    """The prompts of these results as a set."""
    prompts = tuple(result.prompt for result in results)
    return PromptSet("samples", "1", "MIT", "tests of the run page", "s" * 64, prompts)


def keep(store: Store, *results: RunResult) -> None:
    """These results as one finished job of the experiment `samples`."""
    job = store.start_job(experiment="samples", model=INFO.ref.name, spec={}, total=len(results))
    store.save(job, INFO, prompt_set(*results), ANALYSES, 4, results)
    store.finish_job(job, RunStatus.SUCCEEDED)

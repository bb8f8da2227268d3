"""A store of real runs of the tiny models: two models, two experiments, prompts that fail on purpose."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import sqlalchemy as sa

from headscope.analysis.engines.inline import InlineEngine
from headscope.analysis.registry import parse_analyses
from headscope.analysis.types import GenerationParams, Prompt, PromptSet, canonical_hash
from headscope.jobs.job import run_job
from headscope.jobs.request import JobRequest
from headscope.storage.repository import Store
from tests.tiny_models import CONTEXT, SENTENCES, build_tiny_gpt2, build_tiny_llama

MODELS = ("tiny-gpt2", "tiny-llama")
SEEDED = "heads,layers,logit_lens,attention,saliency,input_x_gradient,integrated_gradients,toxicity"
AN_EVENING = datetime(2026, 1, 31, 23, 30, tzinfo=UTC)
"""When the run of the empty prompt of `second` was stored: in Auckland this is the next day already."""
NEXT_DAY_IN_AUCKLAND = date(2026, 2, 1)


def build_models(folder: Path) -> Path:
    """Both tiny models below `folder`, which then serves as HEADSCOPE_MODEL_DIR."""
    build_tiny_gpt2(folder / "tiny-gpt2")
    build_tiny_llama(folder / "tiny-llama")
    return folder


def prompt_set(name: str, texts: tuple[str, ...]) -> PromptSet:
    """Prompts with targets and tags; the last two fail: one is empty, one too long for the model."""
    good = [
        Prompt(
            f"{name}-{i}",
            text,
            target=" the",
            foil=" a",
            pair_id=f"pair-{i // 2}",
            tags=("even" if i % 2 == 0 else "odd",),
        )
        for i, text in enumerate(texts)
    ]
    bad = [Prompt(f"{name}-empty", ""), Prompt(f"{name}-long", "word " * (2 * CONTEXT))]
    prompts = (*good, *bad)
    return PromptSet(name, "1", "MIT", "browser tests", canonical_hash([p.text for p in prompts]), prompts)


def fill(store: Store) -> None:
    """`first`: every analysis on both models; `second`: another prompt set, without attention kept."""
    engine = InlineEngine()
    sentences = tuple(text[: text.find(",")] if "," in text else text for text in SENTENCES)
    jobs = [
        JobRequest("first", model, prompt_set("sentences", sentences), parse_analyses(SEEDED),
                   generation=GenerationParams(max_new_tokens=3))
        for model in MODELS
    ]  # fmt: skip
    jobs.append(JobRequest("second", MODELS[0], prompt_set("unicode", ("naïve café 🧭", "漢字 and  spaces", "a\nb")),
                           parse_analyses("heads,layers,saliency")))  # fmt: skip
    for job in jobs:
        run_job(engine, store, job)
    engine.close()
    with store.engine.begin() as connection:
        values = {"moment": AN_EVENING.replace(tzinfo=None), "key": "unicode-empty"}
        connection.execute(sa.text("UPDATE runs SET created_at = :moment WHERE prompt_key = :key"), values)

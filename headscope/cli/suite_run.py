"""`headscope suites run`: a published set through a model, or through a classifier, and its table; one command."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headscope.analysis import registry
from headscope.analysis import types as kinds
from headscope.analysis.counts import plural
from headscope.analysis.errors import InputError
from headscope.cli import suite_tables
from headscope.cli.carry_out import carry_out
from headscope.cli.options import DEFAULT_STORE, FilterOption, StoreOption
from headscope.cli.run import parsed_params, screened
from headscope.cli.store import Format
from headscope.cli.suites import of_store
from headscope.cli.terminal import Console
from headscope.jobs.checks import MOST_IN_BATCH
from headscope.jobs.request import JobRequest

if TYPE_CHECKING:
    from headscope.analysis.suites.base import Suite
    from headscope.cli.suite_tables import Found


def run(
    format: Annotated[str, typer.Argument(help="A published set (see `headscope suites list`).")],  # noqa: A002
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Its files or folders; without one, the set of that name that you imported.", metavar="FILE"
        ),
    ] = None,
    model: Annotated[str, typer.Option(help="A model's name or folder (see `headscope models list`).")] = "",
    limit: Annotated[int | None, typer.Option(min=1, help="Most prompts, in whole items (pairs, questions).")] = None,
    seed: Annotated[int | None, typer.Option(help="Shuffle the items before the limit; the same for one seed.")] = None,
    experiment: Annotated[str, typer.Option(help="The experiment the runs belong to; else named as the set.")] = "",
    store: StoreOption = DEFAULT_STORE,
    batch_size: Annotated[int, typer.Option(min=1, max=MOST_IN_BATCH, help="Most prompts in one forward pass.")] = 16,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that share the work.")] = 1,
    param: Annotated[
        list[str] | None, typer.Option(help="Of what the set asks, like sampled_toxicity.samples=5; may be repeated.")
    ] = None,
    dtype: Annotated[kinds.DType, typer.Option(help="Number format of the weights.")] = "float32",
    device: Annotated[str, typer.Option(help="Where the model computes: cpu, cuda, cuda:N or mps.")] = "cpu",
    start_token: Annotated[
        bool, typer.Option("--start-token", help="The model's start token before every prompt: the first word counts.")
    ] = False,
    content_filter: FilterOption = "off",
    scorer: Annotated[
        str, typer.Option(help=f"HateCheck: the classifier that is scored, {' or '.join(registry.CLASSIFIERS)}.")
    ] = "",
    label: Annotated[str, typer.Option(help="With --scorer: the label whose probability counts.")] = "toxic",
    output: Annotated[Format, typer.Option("--format", help="How to print the scores.")] = Format.TABLE,
) -> None:
    """Read a published set, run it with all its scores need, and print its table.

    The same command again goes on where it was stopped, and computes nothing that the store has.
    """
    from headscope.analysis import suites

    suite = suites.suite(format)
    prompt_set = screened(_prompts(suite, paths or [], limit, seed), content_filter)
    if suite.score is None and not suite.asks:
        _refuse_model(suite, model, scorer)
        suite_tables.show(suite, _classified(suite, prompt_set, scorer, label), output)
        return
    if scorer:
        raise InputError(f"{suite.name} scores a language model: leave out --scorer, say --model NAME.")
    params: Mapping[str, Mapping[str, Any]] = _merged(suite, parsed_params(param or []))
    request = JobRequest(
        experiment or suite.name, model or _embedded(), prompt_set, tuple(suite.asks), batch_size=batch_size,
        params=params, dtype=dtype, device=device, start_token=start_token,
    )  # fmt: skip
    carry_out(request, store, workers)
    suite_tables.show(suite, _mine(suite, request, store), output)


def _prompts(suite: Suite, paths: list[Path], limit: int | None, seed: int | None) -> kinds.PromptSet:
    from headscope.datasets import importers, own_sets, prompt_sets
    from headscope.datasets.canonical import canonical_sha256

    if paths:
        found = importers.load(suite.name, *paths, limit=limit, seed=seed)
    elif suite.name in own_sets.names():
        whole = prompt_sets.load(suite.name)
        chosen = importers.whole_items(whole.prompts, limit, seed)
        found = replace(whole, prompts=chosen, sha256=canonical_sha256(chosen))
    else:
        raise InputError(
            f"no file: say headscope suites run {suite.name} FILE ({importers.find(suite.name).reads}), "
            f"or import it once: headscope datasets import {suite.name} FILE."
        )
    console = Console(stderr=True)
    for warning in found.warnings:
        console.print(f"warning: {warning}", style="yellow", soft_wrap=True)
    n_items = importers.items(found.prompts)
    many = f"{plural(len(found.prompts), 'prompt')} of {plural(n_items, 'item')}"
    console.print(f"{suite.label}: {many}. Licence: {found.licence}.")
    return found


def _refuse_model(suite: Suite, model: str, scorer: str) -> None:
    if model or not scorer:
        raise InputError(
            f"{suite.name} scores a classifier, not a language model: say --scorer "
            f"{' or '.join(registry.CLASSIFIERS)}, or score a file with `headscope suites score {suite.name}`."
        )


def _classified(suite: Suite, prompt_set: kinds.PromptSet, scorer: str, label: str) -> Found:
    """The suite over what one of our classifiers says of the prompts; nothing is stored."""
    from headscope.analysis.classifiers.loaded import classifier
    from headscope.analysis.suites.base import Case

    judge = classifier(scorer)
    if label not in judge.labels:
        raise InputError(f"{judge.name} has no label {label!r}: it has {', '.join(judge.labels)}.")
    usable = [prompt for prompt in prompt_set.prompts if prompt.invalid is None]
    said = judge.score([prompt.text for prompt in usable])[:, judge.labels.index(label)]
    scores = {prompt.id: float(value) for prompt, value in zip(usable, said, strict=True) if math.isfinite(value)}
    threshold = judge.threshold(label)
    cases = [
        Case(prompt.id, prompt.group, prompt.tags, (scores[prompt.id],) if prompt.id in scores else (), threshold)
        for prompt in prompt_set.prompts
    ]
    assert suite.score_cases is not None
    return [(f"{judge.name}, {label} from {threshold:.2f}", suite.score_cases(cases))]


def _merged(suite: Suite, given: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """What the suite asks, with what was given for it. Raises InputError for parameters of anything else."""
    for name in given:
        if name not in suite.asks:
            asks = ", ".join(suite.asks) or "the token trace only, which has no parameters"
            raise InputError(f"--param {name}: {suite.name} asks for {asks}.")
    return {name: {**values, **given.get(name, {})} for name, values in suite.asks.items()}


def _embedded() -> str:
    from headscope.analysis.models.places import EMBEDDED_NAME

    return EMBEDDED_NAME


def _mine(suite: Suite, request: JobRequest, store: str) -> Found:
    """The scores over this request's prompts, of its model alone where the store knows it under the name asked for."""
    from headscope.storage.read import suite_runs

    texts = {prompt.id: prompt.text for prompt in request.prompt_set.prompts}
    found = of_store(suite, request.experiment, store, texts)
    mine = suite_runs.label(request.model, request.dtype, start_token=request.start_token, chat=False)
    named = [item for item in found if item[0] == mine or item[0].startswith(f"{mine}, by ")]
    return named or found

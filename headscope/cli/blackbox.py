"""`headscope blackbox`: study a model behind an OpenAI-compatible API by changing its prompts."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from headscope.analysis import types as kinds
from headscope.analysis.bounds import MOST_SECONDS
from headscope.analysis.counts import plural
from headscope.analysis.errors import InputError, StorageError
from headscope.analysis.registry import BACKENDS, BLACK_BOX
from headscope.analysis.registry.importances import TAKEN_OUT
from headscope.cli import handover
from headscope.cli.blackbox_shown import show_tests
from headscope.cli.carry_out import EXIT_CANCELLED, ONCE_MORE
from headscope.cli.options import DEFAULT_STORE, FilterOption, StoreOption, finite
from headscope.cli.run import screened
from headscope.cli.run_shown import Bar, report
from headscope.cli.stop import Stop
from headscope.cli.terminal import Console
from headscope.jobs.request import JobRequest
from headscope.storage import served

if TYPE_CHECKING:
    from headscope.analysis.blackbox.client import Client

ANALYSES = ("perturbation", "harmless_edits", "self_consistency")
LENGTH, TESTED_LENGTH = 8, 32
"""Tokens of an answer; one that is tested must have room to say that it has none."""


class Unit(StrEnum):
    """What is taken out at a time; auto: words, of long prompts only where it matters."""

    AUTO = "auto"
    TOKEN = "token"
    WORD = "word"
    SENTENCE = "sentence"


class Masking(StrEnum):
    """What takes the place of what is taken out, as `TAKEN_OUT` says."""

    DELETE = "delete"
    SUBSTITUTE = "substitute"
    SYNONYM = "synonym"
    COUNTERFACTUAL = "counterfactual"


def blackbox(
    prompts: Annotated[str, typer.Option(help="A prompt set's name, a file, FORMAT:PATH, or - for stdin.")],
    api: Annotated[str, typer.Option(envvar="HEADSCOPE_API_URL", help="Base address, like http://127.0.0.1:8000/v1.")],
    model: Annotated[str, typer.Option(help="The model's name at that server.")],
    experiment: Annotated[str, typer.Option(help="The experiment the runs belong to.")] = "blackbox",
    store: StoreOption = DEFAULT_STORE,
    chat: Annotated[bool, typer.Option("--chat", help="Ask /chat/completions, not /completions.")] = False,
    test: Annotated[
        bool,
        typer.Option("--test", help="Test the answers (consistent, right, abstaining?) instead of explaining them."),
    ] = False,
    unit: Annotated[Unit, typer.Option(help="What is taken out of a prompt at a time.")] = Unit.AUTO,
    masking: Annotated[Masking, typer.Option(help=TAKEN_OUT.help)] = Masking.DELETE,
    permutations: Annotated[int, typer.Option(min=2, max=1000, help="Most orders in which parts are taken out.")] = 16,
    early: Annotated[bool, typer.Option(help="Fewer orders, once it is settled which parts matter most.")] = True,
    samples: Annotated[int, typer.Option(min=0, max=100, help="Answers drawn to see whether they agree.")] = 5,
    edits: Annotated[bool, typer.Option(help="Ask harmless edits of the prompt as well.")] = True,
    max_new_tokens: Annotated[
        int | None, typer.Option(min=1, max=4096, help="Length of every answer; 8, or 32 with --test.")
    ] = None,
    temperature: Annotated[
        float,
        typer.Option(min=0.0, max=kinds.MOST_TEMPERATURE, callback=finite, help="Of the answers that are compared."),
    ] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="Of permutations and samples.")] = 0,
    candidates: Annotated[int, typer.Option(min=0, max=1_000_000, help="Log-probabilities to ask for; 0: none.")] = 20,
    force_target: Annotated[
        bool,
        typer.Option(
            "--force-target",
            help="Where the target is not among the candidates, ask once more with its token forced (logit_bias).",
        ),
    ] = False,
    budget_calls: Annotated[int | None, typer.Option(min=1, help="Never make more calls than this.")] = None,
    budget_tokens: Annotated[int | None, typer.Option(min=1, help="Never use more tokens, in and out.")] = None,
    per_minute: Annotated[
        float, typer.Option(min=0, max=1e6, callback=finite, help="Most calls in a minute; 0: no limit.")
    ] = 0,
    parallel: Annotated[int, typer.Option(min=1, max=64, help="Calls at the same time.")] = 4,
    timeout: Annotated[
        float, typer.Option(min=1, max=MOST_SECONDS, callback=finite, help="Seconds to wait for an answer.")
    ] = 60,
    content_filter: FilterOption = "off",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be asked, and ask nothing.")] = False,
) -> None:
    """Ask a model behind an API about changed prompts and store what mattered, or with --test whether its answers hold
    (docs/blackbox.md).

    Prompts are sent to the address given and nowhere else, to another machine only with HEADSCOPE_ALLOW_OUTSIDE=yes.
    The key is read from HEADSCOPE_API_KEY and never stored.
    """
    from headscope.analysis.blackbox.answer_rows import TESTS
    from headscope.analysis.blackbox.budget import Budget
    from headscope.analysis.blackbox.client import KEY_VARIABLE, Client, Endpoint
    from headscope.analysis.blackbox.engine import BlackBoxEngine
    from headscope.analysis.blackbox.reach import outside_allowed
    from headscope.analysis.blackbox.settings import Settings
    from headscope.analysis.models.fingerprints import cache_dir
    from headscope.datasets import prompt_sets
    from headscope.datasets.counterfactual_words import word_pairs

    length = max_new_tokens or (TESTED_LENGTH if test else LENGTH)
    settings = Settings(unit.value, masking.value, permutations, early, edits, samples, max_tokens=length,
                        temperature=temperature, seed=seed, tests=test, forced=force_target)  # fmt: skip
    endpoint = Endpoint(api, model, chat, os.environ.get(KEY_VARIABLE, "").strip(), candidates, timeout,
                        parallel=parallel, per_minute=per_minute, outside=outside_allowed())  # fmt: skip
    client = Client(endpoint, Budget(budget_calls, budget_tokens), cache_dir() / "answers")
    prompt_set = screened(prompt_sets.load(prompts), content_filter)
    engine = BlackBoxEngine(BACKENDS[BLACK_BOX].load()(client), settings, word_pairs())
    console = Console(stderr=True)
    _plan(console, client, len(prompt_set.prompts), *engine.bounds(prompt_set.prompts))
    if dry_run:
        return
    request = JobRequest(
        experiment, model, prompt_set, TESTS if test else ANALYSES, seed=seed,
        generation=kinds.GenerationParams(length, temperature, 1.0, seed),
        params={"blackbox": {**asdict(settings), "api": api, "chat": chat}},
    )  # fmt: skip
    if served.server_of(store) is not None:
        raise StorageError("a running server owns this store: stop it, or store into another file or in PostgreSQL.")
    stop = Stop(console)
    with Bar(console) as on_progress, closing(engine):
        try:
            outcome = handover.run_with(engine, store, request, on_progress, stop)
        finally:
            _spent(console, client, None if test else engine.saved)
    report(console, outcome, store, ONCE_MORE)
    if test:
        show_tests(store, experiment, model)
    if outcome.status is kinds.RunStatus.CANCELLED:
        sys.exit(EXIT_CANCELLED)


def _plan(console: Console, client: Client, n: int, calls: int, tokens: int) -> None:
    if not n:
        raise InputError("there are no prompts to ask about.")
    budget = client.budget
    console.print(
        f"{plural(n, 'prompt')}: at most {plural(calls, 'call')} and {plural(tokens, 'token')} to "
        f"{client.endpoint.url}; budget: {_limit(budget.calls, 'calls')}, {_limit(budget.tokens, 'tokens')}.",
        soft_wrap=True,
    )
    if (budget.calls is not None and calls > budget.calls) or (budget.tokens is not None and tokens > budget.tokens):
        console.print("The budget may end before the prompts do; what is done by then is kept.", style="yellow")


def _limit(value: int | None, what: str) -> str:
    return f"any number of {what}" if value is None else f"{value:,} {what}"


def _spent(console: Console, client: Client, saved: int | None) -> None:
    budget = client.budget
    said = (
        f"asked: {budget.used_calls:,} calls, {budget.used_tokens:,} tokens; {client.remembered:,} answers were known."
    )
    said += "" if saved is None else f" Settled early: {saved:,} changed prompts were not asked."
    console.print(said, soft_wrap=True)

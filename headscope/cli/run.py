"""`headscope run`: put prompts through a model and store what happens inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from headscope.analysis import registry
from headscope.analysis import types as kinds
from headscope.analysis.classifiers.content_filter import Policy, admit, screen
from headscope.analysis.errors import InputError
from headscope.analysis.params import checked
from headscope.analysis.registry import DEFAULT_SET
from headscope.cli.carry_out import carry_out
from headscope.cli.options import DEFAULT_STORE, FilterOption, StoreOption, finite
from headscope.cli.terminal import Console
from headscope.jobs.checks import MOST_IN_BATCH, MOST_MINUTES
from headscope.jobs.request import JobRequest

_AS_GIVEN = (
    "batch_size", "seed", "quantity", "explain", "name", "fresh", "dtype", "device", "backend", "chat", "start_token",
    "budget", "max_minutes",
)  # fmt: skip


def run(
    ctx: typer.Context,
    job: Annotated[
        str, typer.Argument(metavar="[JOB]", help="With --resume: the job to go on with, an id or its beginning.")
    ] = "",
    prompts: Annotated[
        str | None,
        typer.Option(
            help="A prompt set's name, a jsonl/csv/parquet/text file, FORMAT:PATH of a published set, or - for stdin."
        ),
    ] = None,
    model: Annotated[str, typer.Option(help="A model's name or folder (see `headscope models list`).")] = "",
    name: Annotated[
        str, typer.Option(help="What tables, pages and SQL call the model; else it is --model as it was written.")
    ] = "",
    analyses: Annotated[
        str, typer.Option(help=f"`all`, `{DEFAULT_SET}`, or some of: {', '.join(registry.analyses())}.")
    ] = DEFAULT_SET,
    experiment: Annotated[str, typer.Option(help="The experiment the runs belong to.")] = "default",
    store: StoreOption = DEFAULT_STORE,
    batch_size: Annotated[int, typer.Option(min=1, max=MOST_IN_BATCH, help="Most prompts in one forward pass.")] = 16,
    workers: Annotated[
        int, typer.Option(min=1, max=64, help="Processes that share the work, each with the model.")
    ] = 1,
    max_new_tokens: Annotated[
        int, typer.Option(min=0, max=kinds.MOST_NEW_TOKENS, help="Length of the continuation; 0 for none.")
    ] = 0,
    temperature: Annotated[
        float,
        typer.Option(
            min=0.0, max=kinds.MOST_TEMPERATURE, callback=finite, help="0 takes the most likely token each time."
        ),
    ] = 0.0,
    top_p: Annotated[float, typer.Option(min=0.0, max=1.0, callback=finite, help="Nucleus sampling.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="Makes sampling reproducible.")] = 0,
    param: Annotated[
        list[str] | None,
        typer.Option(help="A method's parameter, like integrated_gradients.max_steps=100; may be repeated."),
    ] = None,
    quantity: Annotated[
        kinds.Quantity, typer.Option(help="What attributions explain: the target's log-probability, or its logit.")
    ] = "logprob",
    explain: Annotated[
        kinds.Explained,
        typer.Option(help="The next token, all tokens of the target together, or every one of the continuation."),
    ] = "next",
    dtype: Annotated[
        kinds.DType, typer.Option(help="Number format of the weights; the shorter two take half the memory.")
    ] = "float32",
    device: Annotated[
        str, typer.Option(help="Where the model computes: cpu, cuda, cuda:N or mps, if this torch has it.")
    ] = "cpu",
    backend: Annotated[
        str, typer.Option(help=f"What loads the model: {', '.join(here())}; others come from packages of your own.")
    ] = registry.LOADED_HERE,
    budget: Annotated[
        int,
        typer.Option(
            min=0,
            help="Most forward passes for one prompt, 0 for no limit: what does not fit is done with fewer steps or "
            "left out, and says so.",
        ),
    ] = 0,
    max_minutes: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=MOST_MINUTES,
            callback=finite,
            help="Refuse before it starts what is predicted to take longer than this, 0 for no limit.",
        ),
    ] = 0.0,
    intervene: Annotated[
        list[str] | None,
        typer.Option(
            help="Change the model while it reads each prompt, like head:5.3:zero or mlp:4:scale:0.5 (docs/why.md); "
            "may be repeated. For measurements only, no methods.",
        ),
    ] = None,
    chat: Annotated[
        bool, typer.Option("--chat", help="The prompt is the user's turn in the model's chat template.")
    ] = False,
    start_token: Annotated[
        bool,
        typer.Option(
            "--start-token",
            help="Put the model's own start token before every prompt: the first word is explained too. Off, because "
            "it changes predictions (embedded model: another top token in 13 of 30 prompts; see docs/methods.md).",
        ),
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Compute also what the store has; the new results replace it there.")
    ] = False,
    content_filter: FilterOption = "off",
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with a job: JOB, or the newest that was interrupted (`headscope jobs`)."),
    ] = False,
) -> None:
    """Analyse every prompt and store one run for each, also for those that fail."""
    carry_out(requested(ctx.params), store, workers, job=job, again="headscope run --resume")


def here() -> list[str]:
    """Backends that load a model on this machine."""
    return [name for name, entry in registry.BACKENDS.items() if not entry.remote]


def parsed(words: Sequence[str]) -> tuple[Mapping[str, Any], frozenset[str]]:
    """The options of one `headscope run` as `requested` takes them, checked as the command does it, and the names of
    those among `words`. Raises TyperException."""
    alone = typer.Typer(add_completion=False)
    alone.command()(run)
    with typer.main.get_command(alone).make_context("headscope run", list(words)) as context:
        sources = {name: context.get_parameter_source(name) for name in context.params}
    said = frozenset(name for name, source in sources.items() if source and source.name == "COMMANDLINE")
    return context.params, said


def requested(given: Mapping[str, Any]) -> JobRequest | None:
    """What these options of the command ask for; None for going on with a job. Raises InputError."""
    _check_resume(given["job"], given["prompts"] or given["model"], resume=given["resume"])
    if given["resume"]:
        return None
    if given["prompts"] is None:
        raise InputError(
            "no prompts: say --prompts NAME, FILE or - (see `headscope datasets list`), "
            "or --resume to go on with an unfinished job."
        )
    seed = given["seed"]
    return _request(
        given["prompts"],
        given["model"],
        given["experiment"],
        registry.parse_analyses(given["analyses"]),
        given["content_filter"],
        generation=kinds.GenerationParams(given["max_new_tokens"], given["temperature"], given["top_p"], seed),
        params=parsed_params(given["param"] or []),
        interventions=tuple(given["intervene"] or ()),
        **{name: given[name] for name in _AS_GIVEN},
    )


def _check_resume(job: str, asked: str, *, resume: bool) -> None:
    if job and not resume:
        raise InputError(
            f"{job!r} stands alone: say --prompts {job} for prompts, or --resume {job} to go on with a job of that id."
        )
    if resume and asked:
        raise InputError("--resume goes on with a job's own prompts and model: leave out --prompts and --model.")


def _request(
    source: str, model: str, experiment: str, analyses: tuple[str, ...], guard: str, **rest: Any
) -> JobRequest:
    from headscope.analysis.models.places import EMBEDDED_NAME
    from headscope.datasets import prompt_sets

    prompt_set = screened(prompt_sets.load(source), guard)
    for warning in prompt_set.warnings:
        Console(stderr=True).print(f"warning: {warning}", style="yellow")
    return JobRequest(experiment, model or EMBEDDED_NAME, prompt_set, analyses, **rest)


def screened(prompt_set: kinds.PromptSet, guard: str) -> kinds.PromptSet:
    """The set as the content filter lets it through, told on stderr; raises InputError for a filter that is none."""
    policy = Policy.parse(guard)
    admitted, caught = admit(screen, prompt_set, policy)
    if policy.rules:
        told = {action: sum(verdict.action == action for verdict in caught.values()) for action in ("block", "warn")}
        Console(stderr=True).print(
            f"content filter ({policy.describe()}): {told['block']} of {len(prompt_set.prompts)} prompts blocked, "
            f"{told['warn']} with a warning.",
            style="yellow" if caught else None, soft_wrap=True,
        )  # fmt: skip
    return admitted


def parsed_params(texts: list[str]) -> dict[str, dict[str, Any]]:
    """`method.name=value` texts as nested parameters, checked against what the registry declares."""
    params: dict[str, dict[str, Any]] = {}
    for text in texts:
        left, equals, value = text.partition("=")
        method, dot, name = left.partition(".")
        if not (equals and dot):
            raise InputError(f"--param {text!r} is not of the form method.name=value.")
        params.setdefault(method, {}).update(checked(method, registry.analysis(method).params, {name: value}))
    return params

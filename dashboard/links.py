"""Every address of the app: pages with the keys their links have, and files to download."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote, unquote

from headscope.dashboard.link_state import QueryState, encoded

OVERVIEW = "/"
RUNS, RUN, COMPARE, LIVE, PATCHING = "/runs", "/run", "/compare", "/live", "/patching"
METHODS, CONFIDENCE, TOXICITY, BIAS = "/methods", "/confidence", "/toxicity", "/bias"
CHARTS, MODELS = "/charts", "/models"
FAILURES, REGRESSION, BLACKBOX, SCORER, HEADS = "/failures", "/regression", "/blackbox", "/scorer", "/heads"
SIGN_IN = "/sign-in"
API = "/api/v1"
HEALTH, OWNER = "/healthz", f"{API}/owner"

MOST_COMPARED = 20
"""Runs that one Compare page takes."""
NARROWING = ("q", "status", "model", "experiment", "prompt_set", "tag", "error_kind", "f")
"""Keys that narrow the list of runs, in the order of its link."""


def view(path: str, state: QueryState) -> str:
    """A page with its state."""
    return path + state.to_query()


def run(run_id: str, methods: Sequence[str] = ()) -> str:
    """A run's own page, with these methods shown."""
    return RUN + encoded([("id", run_id), *([("methods", ",".join(methods))] if methods else [])])


def run_explaining(run_id: str, generated: int) -> str:
    """A run that explains its continuation, at the generated token of this index."""
    return RUN + encoded([("id", run_id), ("gen", str(generated))]) + "#run-attributions"


def run_heads(run_id: str, method: str) -> str:
    """A run with what its heads do by this method."""
    return RUN + encoded([("id", run_id), ("heads", "does"), ("ablation", method)]) + "#run-looks"


def compare_heads(a: str, b: str, layer: int, head: int) -> str:
    """Two runs side by side at one head."""
    return COMPARE + encoded([("a", a), ("b", b), ("la", str(layer)), ("ha", str(head))])


def compare_scores(a: str, b: str, method: str) -> str:
    """Two runs side by side, at what one method says of their tokens."""
    return COMPARE + encoded([("a", a), ("b", b), ("method", method)]) + "#compare-scores"


def head(model: str, layer: int | str, index: int | str, state: QueryState) -> str:
    """The page of one head; a model's name may have any characters."""
    return f"{HEADS}/{segment(model)}/{quote(str(layer), safe='')}/{quote(str(index), safe='')}{state.to_query()}"


def segment(name: str) -> str:
    """A name as one part of a path; `named` reads it. What browsers and servers would take for steps of a path (".",
    "..", also as %2E, and empty parts) is encoded twice, and so is "%", which tells the two apart."""
    once = quote(name, safe="")
    if "%" not in name and not {"", ".", ".."}.intersection(name.split("/")):
        return once
    return quote(once.replace(".", "%2E"), safe="")


def named(part: str) -> str:
    """Inverse of `segment`; a name written with slashes is read, too."""
    once = unquote(part)
    return unquote(once) if "%" in once else once


def toxicity(experiment: str) -> str:
    """The toxicity scores of an experiment."""
    return TOXICITY + encoded([("experiment", experiment)])


def heads(experiment: str) -> str:
    """The heads over the runs of an experiment."""
    return HEADS + encoded([("experiment", experiment)])


def scorer(experiment: str) -> str:
    """The audit of the toxicity classifiers, with where they part on an experiment."""
    return SCORER + encoded([("experiment", experiment)])


def runs(**chosen: str | tuple[str, ...]) -> str:
    """The list of runs narrowed: `runs(status="failed", model="gpt2")`; "" is for runs that have none."""
    values = [(key, chosen[key]) for key in sorted(chosen, key=NARROWING.index)]
    parts = [(key, part) for key, given in values for part in ((given,) if isinstance(given, str) else given)]
    return RUNS + encoded([(key, part) for key, part in parts if part or key != "q"])


def compare(run_ids: Sequence[str]) -> str:
    """Runs side by side, as many as are chosen so far."""
    first, more = list(zip(("a", "b"), run_ids, strict=False)), run_ids[2:]
    return COMPARE + encoded([*first, *([("more", ",".join(more))] if more else [])])


def live(**given: str) -> str:
    """The Live page with a prompt: text, target, foil, model."""
    return LIVE + encoded([(key, value) for key, value in given.items() if value])


def patching(clean: str, corrupted: str, **given: str) -> str:
    """Two prompts to patch; given: target, foil, model."""
    found = {"clean": clean, "corrupted": corrupted, **given}
    return PATCHING + encoded([(key, value) for key, value in found.items() if value])


def failure_why(run_id: str, detector: str) -> str:
    """What a case rests on, beside a run that passed."""
    return f"{API}/failures/why{encoded([('run_id', run_id), ('detector', detector)])}"


def blackbox(experiment: str) -> str:
    """The black-box runs of an experiment."""
    return BLACKBOX + encoded([("experiment", experiment)])


def sign_in(wanted: str) -> str:
    """Where the token is asked for, and where it leads then."""
    return SIGN_IN if wanted == OVERVIEW else SIGN_IN + encoded([("next", wanted)])


def run_file(run_id: str, name: str) -> str:
    """A file of one run."""
    return f"{API}/runs/{quote(run_id)}/{name}"


def runs_file(kind: str, search: str) -> str:
    """The runs a link of the list stands for, as csv, json or parquet."""
    return f"{API}/runs/export.{kind}{search}"


def methods_file(name: str, state: QueryState) -> str:
    """A table of the Methods page as CSV."""
    return f"{API}/methods/{name}.csv{state.to_query()}"


def failures_file(name: str, state: QueryState) -> str:
    """The failures chosen: `suite.jsonl` or `failures.csv`."""
    return f"{API}/failures/{name}{state.to_query()}"


def regression_file(name: str, state: QueryState) -> str:
    """A judged comparison: `check.json` or `check.xml`."""
    return f"{API}/regression/{name}{state.to_query()}"


def toxicity_file(name: str, state: QueryState) -> str:
    """A table of the Toxicity page: `rates.csv`."""
    return f"{API}/toxicity/{name}{state.to_query()}"


def charts_file(state: QueryState) -> str:
    """What a chart shows, as CSV."""
    return f"{API}/charts/chart.csv{state.to_query()}"


def heads_file(name: str, state: QueryState) -> str:
    """A table of the Heads page: `heads.csv`, `labels.csv` or `models.csv`."""
    return f"{API}/heads/{name}{state.to_query()}"


def head_file(name: str, state: QueryState) -> str:
    """A table of one head's page: `head.csv`, `head-runs.csv` or `head-labels.csv`."""
    return f"{API}/head/{name}{state.to_query()}"


def patching_file(name: str, state: QueryState) -> str:
    """What the Why page maps: `map.csv`."""
    return f"{API}/patching/{name}{state.to_query()}"


def models_file(name: str, state: QueryState) -> str:
    """A table of the Models page: `summary.csv`, `calibration.csv` or `flips.csv`."""
    return f"{API}/models/{name}{state.to_query()}"


def compare_file(name: str, state: QueryState) -> str:
    """What the Compare page sets side by side: `summary.csv` or `words.csv`."""
    return f"{API}/compare/{name}{state.to_query()}"


def bias_file(name: str, state: QueryState) -> str:
    """A table of the Bias page: `bias.csv` or `pairs.csv`."""
    return f"{API}/bias/{name}{state.to_query()}"


def blackbox_file(name: str, state: QueryState) -> str:
    """A table of the Black box page: `parts.csv`."""
    return f"{API}/blackbox/{name}{state.to_query()}"

"""The Run page without a browser: link, view model, cards, what is said when something is missing."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from dash import html
from dash.development.base_component import Component

from headscope.analysis.registry import STANDARD
from headscope.dashboard.api.export import render, token_table
from headscope.dashboard.pages.run.again import again_command
from headscope.dashboard.pages.run.cards import cards, content
from headscope.dashboard.pages.run.header import ADVICE, failure, header, headline
from headscope.dashboard.pages.run.query import RunQuery, defaults, fitted, neighbours
from headscope.dashboard.pages.run.view import view_model
from headscope.storage.repository import Store
from headscope.storage.rows import RunDetail
from tests.page_parts import text_of, walk
from tests.run_samples import T


def test_a_lost_attention_file_is_said(whole: RunDetail) -> None:
    gone = replace(whole, artifacts=tuple(replace(item, lost=True) for item in whole.artifacts))
    assert "Attention was stored but its file is lost" in text_of(cards(gone))
    assert "Attention was stored" not in text_of(cards(whole))
    assert view_model(gone, RunQuery(), None, None)["attention"] is None


def test_weight_that_goes_to_no_token_is_said(whole: RunDetail) -> None:
    assert whole.heads is not None
    sinks = replace(whole.heads, missing_mass=np.full_like(whole.heads.entropy, 0.25))
    assert "Up to 25% of a head's weight goes to no token" in text_of(cards(replace(whole, heads=sinks)))
    rest = replace(whole.heads, missing_mass=np.full_like(whole.heads.entropy, 1e-7))
    assert "goes to no token" not in text_of(cards(replace(whole, heads=rest)))


@pytest.fixture(scope="module")
def whole(samples: Store, ids: tuple[str, ...]) -> RunDetail:
    return samples.run(ids[0])


def found(root: Any, id_: str) -> Component:
    return next(item for item in walk(root) if getattr(item, "id", None) == id_)


def test_the_link_holds_the_whole_view_and_comes_back() -> None:
    state = RunQuery(id="r", layer=1, head=0, view="links", query=3, key=1, pos=2, color="saliency", grain="word",
                     sink=False, stat="first_token", order="asc", cells="value", scale="head", top=5, lens="entropy",
                     shares="shared", numbers=False, marks=True, methods="saliency,lrp", gen=2, source="saliency",
                     flow="attn_lrp", looks="entropy", ablation="head_ablation", heads="does",
                     components="relp")  # fmt: skip
    assert RunQuery.from_query(state.to_query()) == state
    assert RunQuery.from_query(state.to_query()).notes == ()
    assert RunQuery().to_query() == ""
    assert set(defaults()) == set(RunQuery.__dataclass_fields__) - {"id", "notes"}


def test_what_a_run_does_not_have_falls_back_with_a_note(whole: RunDetail) -> None:
    state = fitted(RunQuery(layer=9, head=1, pos=T + 1, query=2, color="occlusion", stat="induction"), whole)
    assert state.head == 1
    assert state.query == 2
    assert state.pos is None
    assert state.layer == 1
    assert state.color == "surprisal"
    assert state.stat == "previous_token"
    assert len(state.notes) == 4
    assert "layer 9" in state.notes[1]
    assert fitted(RunQuery(pos=T), whole).pos == T


def test_without_a_head_in_the_link_the_middle_layers_least_sink_like_one_is_shown(whole: RunDetail) -> None:
    state = fitted(RunQuery(), whole)
    assert whole.heads is not None
    assert state.layer == 1
    assert state.head == int(whole.heads.first_token[1].argmin())
    assert state.notes == ()


def test_the_view_model_is_json_and_carries_the_runs_numbers(whole: RunDetail) -> None:
    view = view_model(whole, fitted(RunQuery(), whole), None, "next-id")
    again = json.loads(json.dumps(view, allow_nan=False))
    assert again["next"] == "/run?id=next-id"
    assert again["previous"] is None
    assert again["tokens"]["tokens"][0]["surprisal"] is None
    assert len(again["candidates"]) == T
    assert again["attention"]["shape"] == [2, 3, 8, 8]
    assert again["attention"]["url"] == f"/api/v1/runs/{whole.row.id}/attention"
    assert again["attributions"][3]["error"]
    assert again["target"]["n_tokens"] == 2
    assert "target is 2 tokens long, and only its first, “␣away”," in text_of(found(cards(whole), "run-attributions"))
    together = replace(whole, capsule={**whole.capsule, "explain": "target"})
    assert "tokens long" not in text_of(found(cards(together), "run-attributions"))
    assert again["state"]["layer"] == 1


def test_errors_and_convergence_are_in_the_view_model_and_the_exports(whole: RunDetail) -> None:
    errors = np.full(T, 0.25, np.float32)
    errors[0] = np.nan
    given = tuple(replace(one, score_errors=errors) if one.method == "integrated_gradients" else one
                  for one in whole.attributions)  # fmt: skip
    detail = replace(whole, attributions=given)
    view = view_model(detail, fitted(RunQuery(), detail), None, None)
    path = next(one for one in view["attributions"] if one["method"] == "integrated_gradients")
    assert path["errors"] == [None, *[0.25] * (T - 1)]
    assert path["verdict"] == "not_converged"
    assert view["attributions"][0]["errors"] == []
    table = token_table(detail)
    assert table.column("integrated_gradients_error").to_pylist() == path["errors"]
    assert table.column("integrated_gradients_converged").to_pylist() == [False] * T
    assert "saliency_error" not in table.column_names
    exported = json.loads(render(detail, "json", {}, shown=False))["attributions"]
    assert exported[2]["score_errors"] == path["errors"]
    assert exported[2]["outcome"]["converged"] is False
    assert exported[2]["params"] == {"baseline": "eos"}


def test_a_bare_run_names_the_analyses_each_card_lacks_and_draws_nothing_empty(
    samples: Store, ids: tuple[str, ...]
) -> None:
    detail = replace(samples.run(ids[1]), analyses=())
    page = cards(detail)
    for card, analyses in {
        "run-attention": "--analyses attention,heads", "run-lens": "--analyses logit_lens",
        "run-formation": "--analyses layers", "run-norms": "--analyses layers",
        "run-attributions": "--analyses saliency",
    }.items():  # fmt: skip
        text = text_of(found(page, card))
        assert "not measured" in text
        assert analyses in text
    plots = [item.id for item in walk(page) if type(item).__name__ == "Graph"]
    assert plots == ["run-confidence-plot"]
    view = view_model(detail, fitted(RunQuery(), detail), None, None)
    assert view["attention"] is None
    assert view["lens"] is None
    assert view["attributions"] == []


def test_a_grid_whose_method_failed_says_its_reason_and_one_nobody_asked_for_how_to_get_it(whole: RunDetail) -> None:
    page = cards(whole)
    assert "--analyses direct_logit_attribution,ov_copying,head_ablation" in text_of(found(page, "run-looks"))
    assert found(page, "run-looks-slot") is not None  # where heads look is there
    reason = "this model's heads cannot be told apart"
    failed_ones = tuple(
        replace(whole.attributions[3], method=name, error=reason)
        for name in ("direct_logit_attribution", "layer_gradients")
    )
    detail = replace(whole, attributions=failed_ones, analyses=(*whole.analyses, "direct_logit_attribution"))
    page = cards(detail)
    for card, label in (("flow", "Layer gradients"), ("components", "Direct logit"), ("looks", "Direct logit")):
        text = text_of(found(page, f"run-{card}"))
        assert f"failed: {reason}" in text
        assert label in text
        assert "--analyses" not in text
    continued = replace(detail, capsule={**detail.capsule, "explain": "continuation"})
    assert f"failed: {reason}" in text_of(found(cards(continued), "run-sources"))


def test_a_failed_run_says_what_why_and_what_to_do_and_has_no_plots(samples: Store, ids: tuple[str, ...]) -> None:
    children, view = content(samples, RunQuery(id=ids[2]))
    text = text_of(children)
    assert "The prompt is empty." in text
    assert ADVICE["empty"] in text
    assert not [item for item in walk(children) if type(item).__name__ == "Graph"]
    assert not [item for item in walk(children) if getattr(item, "id", None) == "run-attention"]
    assert "not measured" not in text
    assert view is not None
    assert view["tokens"] is None


def test_a_failure_of_an_unknown_kind_offers_the_command(samples: Store, ids: tuple[str, ...]) -> None:
    detail = samples.run(ids[2])
    odd = replace(detail, row=replace(detail.row, error="lost power", error_kind="odd"))
    assert "Lost power" in text_of(failure(odd))
    assert "headscope run" in text_of(failure(odd))


def test_unmeasured_headline_numbers_are_said_and_measured_ones_have_units(
    samples: Store, ids: tuple[str, ...], whole: RunDetail
) -> None:
    text = text_of(headline(whole))
    assert "4.00  bits" in text
    assert "−0.693" in text
    assert "rank 1" in text
    empty = replace(whole, row=replace(whole.row, perplexity=None))
    assert "not measured" in text_of(headline(empty))


def test_header_leads_on_and_offers_only_downloads_that_exist(samples: Store, ids: tuple[str, ...]) -> None:
    links = [getattr(item, "href", None) for item in walk(header(samples.run(ids[0]), None, ids[1]))]
    assert f"/run?id={ids[1]}" in links
    assert f"/compare?a={ids[0]}" in links
    assert f"/api/v1/runs/{ids[0]}/export.parquet" in links
    links = [getattr(item, "href", None) for item in walk(header(samples.run(ids[2]), None, None))]
    assert f"/api/v1/runs/{ids[2]}/export.json" in links
    assert f"/api/v1/runs/{ids[2]}/export.csv" not in links


def test_a_prompt_that_was_probably_meant_otherwise_leads_to_what_was_meant(whole: RunDetail) -> None:
    row = replace(whole.row, text="The capital of France is ", target=" Paris", foil=None, model="gpt2")
    links = [getattr(item, "href", None) for item in walk(header(replace(whole, row=row), None, None))]
    assert "/live?text=The%20capital%20of%20France%20is&target=%20Paris&model=gpt2" in links
    good = replace(row, text="The capital of France is")
    assert "has no space" not in text_of(header(replace(whole, row=good), None, None))
    assert "ends in a space" not in text_of(header(replace(whole, row=good), None, None))


def test_neighbours_are_the_runs_around_it_in_its_experiment(samples: Store, ids: tuple[str, ...]) -> None:
    assert neighbours(samples, samples.run(ids[0]).row) == (None, ids[1])
    assert neighbours(samples, samples.run(ids[1]).row) == (ids[0], ids[2])
    assert neighbours(samples, samples.run(ids[2]).row) == (ids[1], None)


def test_the_command_gives_back_prompt_model_analyses_and_sampling(whole: RunDetail) -> None:
    command = shlex.split(again_command(whole))
    pipe = command.index("|")
    assert json.loads(command[pipe - 1]) == {"text": whole.row.text, "target": " away", "foil": " off"}
    rest = command[pipe + 1 :]
    rest.remove("--fresh")  # what the store has is computed all the same
    assert rest[:4] == ["headscope", "run", "--prompts", "-"]
    options = dict(zip(rest[2::2], rest[3::2], strict=True))
    assert options["--model"] == "sample-model"
    assert options["--seed"] == "4"
    assert options["--analyses"] == ",".join(whole.analyses)
    assert (options["--temperature"], options["--top-p"], options["--max-new-tokens"]) == ("0.5", "0.9", "2")


def test_the_default_set_goes_by_its_name_and_another_backend_is_asked_for(whole: RunDetail) -> None:
    usual = replace(whole, analyses=STANDARD)
    assert "--analyses standard" in again_command(usual)
    assert "--backend" not in again_command(usual)
    model = replace(whole.model, ref=replace(whole.model.ref, backend="mine"))
    assert "--backend mine" in again_command(replace(whole, model=model))


def test_the_command_gives_back_what_was_explained(whole: RunDetail) -> None:
    detail = replace(whole, capsule={**whole.capsule, "quantity": "logit", "explain": "continuation"})
    words_ = shlex.split(again_command(detail))
    assert words_[words_.index("--quantity") + 1] == "logit"
    assert words_[words_.index("--explain") + 1] == "continuation"
    assert "--explain" not in again_command(whole)


def test_methods_the_run_does_not_have_leave_the_link_with_a_note_each(whole: RunDetail) -> None:
    state = fitted(RunQuery(methods="saliency,smoothgrad", flow="attn_lrp", looks="induction", gen=9), whole)
    assert (state.methods, state.flow, state.looks, state.gen) == ("saliency", "", "", 0)
    assert len(state.notes) == 4


def test_a_quote_in_the_text_cannot_leave_the_command(whole: RunDetail) -> None:
    text = "it's $(rm -rf /) `x`\n'"
    command = again_command(replace(whole, row=replace(whole.row, text=text)))
    words_ = shlex.split(command)
    assert json.loads(words_[words_.index("|") - 1])["text"] == text


def test_unknown_or_missing_ids_are_explained(samples: Store, ids: tuple[str, ...]) -> None:
    children, view = content(samples, RunQuery(id="no-such-run"))
    assert view is None
    assert "no-such-run" in text_of(children)
    assert [text_of(item) for item in walk(children) if isinstance(item, html.H1)] == ["Run"]
    children, view = content(samples, RunQuery())
    assert view is None
    assert "No run chosen" in text_of(children)
    assert [text_of(item) for item in walk(children) if isinstance(item, html.H1)] == ["Run"]

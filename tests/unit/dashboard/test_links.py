"""Links lead where they say: the page they name reads every key of theirs."""

from __future__ import annotations

from dataclasses import fields
from typing import Any
from urllib.parse import urlsplit

import pytest

from headscope.dashboard import links
from headscope.dashboard.link_state import QueryState
from headscope.dashboard.pages.blackbox.query import BlackBoxQuery
from headscope.dashboard.pages.compare.query import CompareQuery
from headscope.dashboard.pages.heads.query import HeadsQuery
from headscope.dashboard.pages.live.query import LiveQuery
from headscope.dashboard.pages.patching.query import PatchingQuery
from headscope.dashboard.pages.run.query import RunQuery
from headscope.dashboard.pages.runs.query import RunsQuery
from headscope.dashboard.pages.scorer.query import ScorerQuery

ODD = "a b&c=é/?"
CASES: list[tuple[str, str, type[QueryState], dict[str, Any]]] = [
    (links.run("x", ("saliency", "attn_lrp")), "/run", RunQuery, {"id": "x", "methods": "saliency,attn_lrp"}),
    (
        links.run_heads("x", "head_ablation"),
        "/run",
        RunQuery,
        {"id": "x", "heads": "does", "ablation": "head_ablation"},
    ),
    (links.compare_heads("x", "y", 3, 0), "/compare", CompareQuery, {"a": "x", "b": "y", "la": 3, "ha": 0}),
    (links.runs(model=ODD, status="failed"), "/runs", RunsQuery, {"status": ("failed",), "model": (ODD,)}),
    (links.runs(prompt_set=""), "/runs", RunsQuery, {"prompt_set": ("",)}),
    (links.compare(("x",)), "/compare", CompareQuery, {"a": "x"}),
    (links.compare(("x", "y", "z", "u")), "/compare", CompareQuery, {"a": "x", "b": "y", "more": "z,u"}),
    (links.live(text=ODD, foil=""), "/live", LiveQuery, {"text": ODD}),
    (links.patching(ODD, " b"), "/patching", PatchingQuery, {"clean": ODD, "corrupted": " b"}),
    (
        links.patching(ODD, " b", target=" c", foil="", model="m"),
        "/patching",
        PatchingQuery,
        {"clean": ODD, "corrupted": " b", "target": " c", "model": "m"},
    ),
    (links.compare_scores("x", "y", "saliency"), "/compare", CompareQuery, {"a": "x", "b": "y", "method": "saliency"}),
    (links.heads(ODD), "/heads", HeadsQuery, {"experiment": ODD}),
    (links.blackbox(ODD), "/blackbox", BlackBoxQuery, {"experiment": ODD}),
    (links.scorer(ODD), "/scorer", ScorerQuery, {"experiment": ODD}),
]


@pytest.mark.parametrize(("link", "path", "query", "state"), CASES, ids=[case[0] for case in CASES])
def test_a_link_is_read_by_its_page(link: str, path: str, query: type[QueryState], state: dict[str, Any]) -> None:
    parts = urlsplit(link)
    read = query.from_query(parts.query)
    assert (parts.path, read, read.notes) == (path, query(**state), ())


@pytest.mark.parametrize(
    ("name", "part"),
    [("gpt2", "gpt2"), ("org/v1.5", "org%2Fv1.5"), ("..", "%252E%252E"), ("/a", "%252Fa"), ("%2F", "%25252F")],
)
def test_a_name_is_one_part_of_a_path(name: str, part: str) -> None:
    assert links.segment(name) == part
    assert links.named(part) == name
    assert links.named("org/v1.5") == "org/v1.5"


def test_the_keys_that_narrow_a_list_of_runs_stand_in_the_order_of_its_link() -> None:
    named = [item.name for item in fields(RunsQuery) if item.name != "notes"]
    assert named[: len(links.NARROWING)] == list(links.NARROWING)

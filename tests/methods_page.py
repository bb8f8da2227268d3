"""The Methods page as its tests ask for it."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import Any

from headscope.analysis.types import RunResult
from headscope.analysis.types.outcome import Outcome
from headscope.dashboard.app import create_app
from headscope.dashboard.pages.methods.cards import content
from headscope.dashboard.pages.methods.comparison import Comparisons
from headscope.dashboard.pages.methods.page import CARDS, Ids, methods_bar
from headscope.dashboard.pages.methods.query import MethodsQuery
from headscope.dashboard.services import Services
from headscope.storage.repository import Store
from tests import method_runs
from tests.page_parts import text_of

HOST = {"Host": "127.0.0.1:8050"}
COMPARED = MethodsQuery(experiment="compared")
ONE_MODEL = replace(COMPARED, model="tiny", prompt_set="facts")


def unsure_results() -> list[RunResult]:
    """Six runs; CP-LRP did not converge on two of them, AttnLRP says on all that it did, the others say nothing."""
    made = method_runs.results(6, seed=500)
    said = [{"cp_lrp": index >= 2, "attn_lrp": True} for index in range(len(made))]
    return [
        replace(result, attributions=tuple(
            replace(item, outcome=Outcome(words[item.method])) if item.method in words else item
            for item in result.attributions))
        for result, words in zip(made, said, strict=True)
    ]  # fmt: skip


def shown(services: Services, query: MethodsQuery, id_: Ids) -> tuple[Any, Any]:
    return content(CARDS[id_].view, services, Comparisons(services.store), query)


def words(services: Services, query: MethodsQuery, id_: Ids) -> str:
    return text_of(shown(services, query, id_)[0])


def downloaded(store: Store, name: str, query: MethodsQuery) -> list[dict[str, str]]:
    client = create_app(Services(store)).server.test_client()
    answer = client.get(f"/api/v1/methods/{name}.csv{query.to_query()}", headers=HOST)
    return list(csv.DictReader(io.StringIO(answer.text)))


def bar(store: Any, query: MethodsQuery) -> Any:
    return methods_bar(store, query)

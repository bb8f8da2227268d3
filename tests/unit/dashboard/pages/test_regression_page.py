"""The Regression page without a browser: the numbers of `headscope check`, its states, its files, its links."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from typer.testing import CliRunner

from headscope.analysis.types import Prompt, RunResult
from headscope.cli import app
from headscope.dashboard.app import create_app
from headscope.dashboard.pages.compare.query import CompareQuery
from headscope.dashboard.pages.heads.query import HeadsQuery
from headscope.dashboard.pages.regression import cards, page
from headscope.dashboard.pages.regression import query as query_module
from headscope.dashboard.pages.regression.query import Comparisons, RegressionQuery, sides
from headscope.dashboard.services import Services
from headscope.jobs import check_document, regression
from headscope.storage.repository import Store
from tests.factories import make_failure, make_info, make_result, make_set
from tests.filled_store import assert_same
from tests.offensive_store import RUDE, findings
from tests.page_parts import BrokenStore, CountingStore, hrefs, text_of, walk

N, HOST = 14, {"Host": "127.0.0.1:8050"}
MOVED = 2, 1
"""The head that looks elsewhere in the candidate."""
CHOSEN = {"baseline": "before", "candidate": "after"}


def answered(i: int, *, right: bool) -> RunResult:
    """The last prompt is offensive; later ones fall further. In the candidate one head and one token are another's."""
    text = f"A {RUDE} text" if i == N - 1 else f"Text number {i}"
    made = make_result(Prompt(f"p{i}", text, " and", " but"), seed=i)
    assert made.target is not None
    assert made.heads is not None
    target = replace(made.target, rank=1 if right else 5, logprob=-0.5 if right else -1.0 - i)
    if not right:
        looks = made.heads.first_token.copy()
        looks[MOVED] += 1 - looks[MOVED] + 0.5  # 1.5: further than any share can go
        scores = made.attributions[1].scores.copy()
        scores[1] += 10
        unsigned, signed, failed = made.attributions
        made = replace(made, heads=replace(made.heads, first_token=looks),
                       attributions=(unsigned, replace(signed, scores=scores), failed))  # fmt: skip
    return replace(made, target=target, findings=findings(0.93 if i == N - 1 else 0.1, 0.1, RUDE)[:2])


def keep(store: Store, experiment: str, results: list[RunResult], model: str = "tiny", name: str = "demo") -> None:
    job = store.start_job(experiment=experiment, model=model, spec={}, total=len(results))
    prompts = make_set(*(result.prompt for result in results), name=name)
    store.save(job, make_info(model), prompts, ["toxicity"], 0, results, replace_old=True)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    path = tmp_path_factory.mktemp("regression") / "regression.duckdb"
    with Store.open(str(path)) as opened, pytest.MonkeyPatch.context() as patch:
        keep(opened, "before", [answered(i, right=True) for i in range(N)])
        keep(opened, "after", [answered(i, right=False) for i in range(N)])
        keep(opened, "short", [answered(i, right=False) for i in range(3)])
        keep(opened, "elsewhere", [answered(0, right=True)], name="other")
        keep(opened, "both", [answered(0, right=True)])
        keep(opened, "both", [answered(1, right=True)], model="/models/second")
        keep(opened, "failing", [make_failure(Prompt("p0", "Text number 0"))])
        patch.setattr(opened, "run", cache(opened.run))  # the same twenty, whole, for each test
        yield opened


comparisons = lru_cache(maxsize=4)(Comparisons)
"""Those of a store, as the page keeps them: the same two sides are not compared for each test anew."""


def filled(store: Any, **query: Any) -> dict[str, Any]:
    asked = RegressionQuery.from_query(query)
    return dict(cards.content(Services(store), comparisons(store), asked))


def words(found: dict[str, Any], card: str) -> str:
    return " ".join(text_of(found[f"regression-{card}"][0]).split())


def command(store: Store, *more: str) -> Any:
    arguments = ["check", "--baseline", "before", "--candidate", "after", "--store", store.url, *more]
    return CliRunner().invoke(app, arguments)


def test_the_page_its_files_and_the_command_say_the_same(store: Store) -> None:
    done = command(store, "--format", "json", "--server", "http://127.0.0.1:8050")
    assert done.exit_code == 3, done.output
    report = json.loads(done.stdout)
    client = create_app(Services(store)).server.test_client()
    search = "?baseline=before&candidate=after"
    file = client.get(f"/api/v1/regression/check.json{search}", headers=HOST)
    assert json.loads(file.get_data(as_text=True)) == report
    junit = client.get(f"/api/v1/regression/check.xml{search}", headers=HOST).get_data(as_text=True)
    said = command(store, "--format", "junit", "--server", "http://127.0.0.1:8050").stdout
    assert junit.strip() == said.strip()
    assert ElementTree.fromstring(junit)[0].attrib["failures"] == str(len(report["regressions"]))
    found = filled(store, **CHOSEN)
    assert "Fails: worse than the baseline by 2 rules." in words(found, "verdict")
    for line in report["regressions"]:
        assert line in words(found, "verdict")
    shown = words(found, "measures")
    for row in report["changes"]:
        number = f"{row['effect']['mean']:+.3f}".replace("-", "−")
        assert row["name"] in shown
        assert number.lstrip("+−") in shown
    assert report["states"]["why"] in words(found, "layer") or report["states"]["tolerance"]
    (accuracy,) = (row for row in report["changes"] if row["name"] == "accuracy")
    assert accuracy["mcnemar_p"] == pytest.approx(2 * 0.5**N)
    assert (accuracy["baseline"], accuracy["candidate"]) == (1, 0)


def test_flips_are_paged_with_what_changed_inside(store: Store) -> None:
    found = filled(store, **CHOSEN)
    body = found["regression-flips"][0]
    shown = words(found, "flips")
    assert shown.index(f"A {RUDE} text") < shown.index("Text number 12") < shown.index("Text number 4")
    assert "Text number 3 " not in shown
    assert "page 1 of 2" in shown
    assert "2.1" in shown
    assert "First" in shown
    assert "by Input x gradient" in shown or "by Gradient x input" in shown
    links = hrefs(body)
    assert any("/compare?" in link and "la=2&ha=1" in link for link in links)
    assert any(link.endswith("method=input_x_gradient#compare-scores") for link in links)
    for link in links:
        path, _, rest = link.partition("?")
        kind = {"/compare": CompareQuery, "/regression": RegressionQuery, "/heads": HeadsQuery}.get(path)
        assert kind is None or kind.from_query(rest.partition("#")[0]).notes == ()
    assert "Text number 3" in words(filled(store, **CHOSEN, page="1"), "flips")
    assert "Text number 0" in words(filled(store, **CHOSEN, page="99"), "flips")
    assert "No run failed anew" in words(filled(store, **CHOSEN, which="failed"), "flips")
    better = filled(store, baseline="after", candidate="before", which="mended")
    assert "Passes: no regression" in words(better, "verdict")
    assert "Text number 12" in words(better, "flips")


def test_a_rule_is_added_and_taken_away_by_its_link(store: Store) -> None:
    query = RegressionQuery(**CHOSEN)
    one = RegressionQuery.from_query(query.toggled("flips").partition("?")[2])
    assert one.rules() == ("accuracy", "target", "toxicity", "detectors", "bias", "failed", "flips")
    assert RegressionQuery.from_query(one.toggled("flips").partition("?")[2]) == query
    alone = replace(query, fail_on="flips:20")
    assert alone.toggled("flips") == alone.link()
    assert "flips: 14 prompts, 20 allowed" in words(filled(store, **CHOSEN, fail_on="flips:20"), "verdict")
    assert "Passes" in words(filled(store, **CHOSEN, fail_on="flips:20"), "verdict")
    assert "--fail-on flips:20" in words(filled(store, **CHOSEN, fail_on="flips:20"), "verdict")
    assert "--fail-on does not know 'speed'" in words(filled(store, **CHOSEN, fail_on="speed"), "verdict")
    unknown = words(filled(store, **CHOSEN, fail_on="bias"), "verdict")
    assert "No verdict" in unknown
    assert "nothing is known about bias" in unknown
    both = filled(store, **CHOSEN, fail_on="bias,flips:20")
    assert both["regression-verdict"][1] is None  # the command gives no file either
    assert alone.link() in hrefs(both["regression-verdict"][0])


def test_what_cannot_be_compared_is_said(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Choose a baseline and a candidate" in words(filled(store), "verdict")
    assert "No prompt in common" in words(filled(store, baseline="before", candidate="elsewhere"), "verdict")
    few = words(filled(store, baseline="before", candidate="short"), "verdict")
    assert "No verdict" not in few  # the rule `failed` counts
    assert "Too few prompts for any test: 5 independent ones" in few
    assert few.count("not judged") >= 2
    assert "too few for a test (3 prompts in 3 independent groups, 5 are needed)" in few
    assert "unknown experiment" in words(filled(store, baseline="before", candidate="none"), "verdict")
    assert "say which one" in words(filled(store, baseline="before", candidate="both"), "verdict")
    assert "the same runs" in words(filled(store, baseline="before", candidate="before"), "verdict")
    assert "Could not" in words(filled(BrokenStore(), **CHOSEN), "verdict")
    assert filled(store)["regression-flips"] == (None, None)
    monkeypatch.setattr(cards, "MOST_RUNS", 27)
    assert "have 28 runs together" in words(filled(store, **CHOSEN), "verdict")


def test_models_of_one_experiment_are_choices_and_experiments_without_runs_are_not(store: Store) -> None:
    named = {side.name for side in sides(store.experiments())}
    assert named == {"before", "after", "short", "elsewhere", "both@tiny", "both@second"}
    text = text_of(cards.bar(store, RegressionQuery(**CHOSEN)))
    assert "Exchange" in text
    assert "both@second" in text


def test_runs_are_read_once_for_rules_and_pages(store: Store) -> None:
    counting = CountingStore(store)
    kept = Comparisons(counting)  # type: ignore[arg-type]
    for more in ({}, {"fail_on": "flips"}, {"page": "1"}):
        cards.content(Services(counting), kept, RegressionQuery.from_query({**CHOSEN, **more}))  # type: ignore[arg-type]
    assert counting.calls["measures"] == 2  # a side each
    assert query_module.KEPT_SECONDS < 60


def test_an_empty_store_and_a_download_that_is_none(tmp_path: Any, store: Store) -> None:
    with Store.open(str(tmp_path / "empty.duckdb")) as empty:
        assert "Two experiments are needed" in text_of(cards.bar(empty, RegressionQuery()))
        assert filled(empty)["regression-verdict"] == (None, None)
        client = create_app(Services(empty)).server.test_client()
        assert client.get(page.PAGE.path, headers=HOST).status_code == 200
    client = create_app(Services(store)).server.test_client()
    for search, status in (("", 400), ("?baseline=before&candidate=none", 404), ("?baseline=before&pages=1", 400)):
        assert client.get(f"/api/v1/regression/check.json{search}", headers=HOST).status_code == status


def test_a_comparison_comes_back_from_its_json_whole(store: Store) -> None:
    for names in (("before", "after"), ("before", "short")):
        made = regression.check(store, *names, "accuracy,flips", show_offensive=False)
        assert made.evidence
        assert_same(check_document.from_json(json.loads(check_document.document(made, ""))), made)


def test_offensive_prompts_are_covered_on_the_page(store: Store) -> None:
    row = next(row for row in walk(filled(store, **CHOSEN)["regression-flips"][0]) if RUDE in text_of(row)
               and type(row).__name__ == "Tr")  # fmt: skip
    bare = [node for node in walk(row) if RUDE in text_of(node)
            and not any(RUDE in text_of(below) for below in walk(node.children))]  # fmt: skip
    assert bare
    hidden = [node for cover in walk(row) if getattr(cover, "className", "") == "hs-cover-text" for node in walk(cover)]
    assert all(any(node is other for other in hidden) for node in bare)


def test_offensive_prompts_are_covered_in_files_unless_asked_for(store: Store) -> None:
    client = create_app(Services(store)).server.test_client()
    search = "/api/v1/regression/check.json?baseline=before&candidate=after"
    covered = client.get(search, headers=HOST).get_data(as_text=True)
    assert RUDE not in covered
    assert RUDE in client.get(f"{search}&offensive=shown", headers=HOST).get_data(as_text=True)
    first = json.loads(covered)["broken"][0]
    assert [shift["token"] for shift in first["evidence"]["tokens"]] == ["[covered]"]
    assert np.isclose(first["evidence"]["heads"][0]["candidate"], 1.5)

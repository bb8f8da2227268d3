"""The page of one head without a browser: its address, what stands on it, and what is said where there is none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from headscope.dashboard import links
from headscope.dashboard.app import create_app, render
from headscope.dashboard.pages import load_pages
from headscope.dashboard.pages.heads import head
from headscope.dashboard.pages.heads.query import HeadQuery, HeadsQuery
from headscope.dashboard.services import Services
from headscope.storage.repository import Store
from tests.factories import make_attribution, make_info, make_set
from tests.head_runs import SHAPE, N, fill, results
from tests.page_parts import BrokenStore, hrefs, text_of, walk

ODD = "org/my model?#%.v1"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store.open(str(tmp_path_factory.mktemp("store") / "head.duckdb")) as opened:
        fill(opened)
        backed_up(opened)
        yield opened


def backed_up(store: Store) -> None:
    """An experiment of an oddly named model in which head 7.2 is worth more when its backups cannot step in."""
    made = []
    for i, result in enumerate(results(ablated=False)):
        scores = np.zeros((2, *SHAPE))
        scores[0, 7, 2], scores[1, 7, 2] = 3.0 + 0.01 * i, 1.0 + 0.01 * i
        both = replace(make_attribution("co_ablation", scores), axes=("condition", "layer", "head"))
        made.append(replace(result, attributions=(both,), result_key=f"odd {i}"))
    job = store.start_job(experiment="backed up", model=ODD, spec={}, total=N)
    info = make_info(ODD)
    info = replace(info, ref=replace(info.ref, weights_sha256="f" * 64))
    store.save(job, info, make_set(*(one.prompt for one in made), name="cats"), ["heads"], 0, made)


def at(address: str) -> HeadQuery:
    path, _, search = address.partition("?")
    found = HeadQuery.at(path, search)
    assert found is not None
    return found


def shown(store: Any, address: str) -> dict[str, str]:
    state = at(address)
    said = {id_: text_of(head.SCOPED.content(id_, Services(store), state)[0]) for id_ in head.SCOPED.cards}
    return {**said, "bar": text_of(head.head_bar(store, state, head.SCOPED.purpose))}


NAMES = ("tiny", ODD, "a//b", "ü 🙂", "a&b=c", ".", "..", "./a", "a/../b", "/models/a", "a/", "%2E", "a%41%", "...")


@pytest.mark.parametrize("model", NAMES)
def test_an_address_says_which_head_of_which_model(model: str) -> None:
    address = links.head(model, 5, 3, HeadQuery(experiment="a b", prompt_set="c/d", stat="induction"))
    found = at(address)
    assert (found.model, found.cell, found.experiment, found.prompt_set, found.stat) == (
        model, (5, 3), "a b", "c/d", "induction",
    )  # fmt: skip
    assert found.link() == address
    assert found.notes == ()
    path = address.partition("?")[0]
    steps = re.compile(r"(\.|%2e){0,2}", re.IGNORECASE)  # what browsers take for steps (URL standard, 4.4)
    assert not any(steps.fullmatch(part) for part in path.split("/")[1:])
    page = render(load_pages(), path, "?experiment=a")
    assert "head-root" in {getattr(node, "id", None) for node in walk(page)}


def test_the_server_has_a_page_for_every_name(store: Store) -> None:
    client = create_app(Services(store)).server.test_client()
    for model in NAMES:
        answer = client.get(links.head(model, 5, 3, HeadQuery()), headers={"Host": "127.0.0.1:8050"})
        assert (answer.status_code, answer.mimetype) == (200, "text/html"), model


def test_slashes_of_a_name_may_stand_as_they_are() -> None:
    assert at("/heads/org/model/5/3/").model == "org/model"
    assert HeadQuery.at("/heads", "") is None
    assert HeadsQuery.at("/heads/org/model/5/3", "") is None
    assert HeadsQuery.at("/heads/", "?head=5.3") == HeadsQuery(head="5.3")


def test_every_card_is_filled_and_every_link_understood(store: Store) -> None:
    state = at("/heads/tiny/5/0?experiment=removed")
    bodies = [head.SCOPED.content(id_, Services(store), state)[0] for id_ in head.SCOPED.cards]
    bar = head.head_bar(store, state, "")
    for body in (*bodies, bar):
        assert text_of(body)
        assert "Could not" not in text_of(body)
    for link in hrefs([*bodies, bar]):
        path, _, rest = link.partition("?")
        for kind in (HeadQuery, HeadsQuery):
            found = kind.at(path, rest)
            assert found is None or found.notes == ()
    texts = hrefs(bar)
    assert {"/heads/tiny/4/0?experiment=removed", "/heads/tiny/6/0?experiment=removed",
            "/heads/tiny/5/1?experiment=removed"} <= set(texts)  # fmt: skip
    assert not any("/5/-1" in link for link in texts)


def test_labels_say_what_holds_what_does_not_and_what_was_not_measured(store: Store) -> None:
    found = shown(store, "/heads/tiny/5/0?experiment=removed")["head-labels"]
    assert found.index("induction") < found.index("previous token")
    assert re.search(r"induction yes Induction 0\.5\d* \[0\.5\d*, 0\.5\d*\], n = 6; asked for is above 0\.2", found)
    assert re.search(r"previous token no Previous 0\.1", found)
    seen = shown(store, "/heads/tiny/5/0?experiment=seen")
    assert "not measured Head ablation: not measured" in seen["head-labels"]
    assert "--model tiny --experiment seen --analyses head_ablation,co_ablation" in seen["head-effects"]


def test_effects_with_and_without_backups(store: Store) -> None:
    address = links.head(ODD, 7, 2, HeadQuery(experiment="backed up"))
    found = shown(store, address)["head-effects"]
    assert "Co-ablation, each head alone" in found
    both, alone = (np.mean([start + 0.01 * i for i in range(N)]) for start in (3.0, 1.0))
    assert re.search(rf"worth {both:.2f} nats \[3\.0\d, 3\.0\d\]; removed alone, .*, {alone:.2f} nats", found)


def test_a_selection_is_kept_on_the_way_to_other_heads_and_runs(store: Store) -> None:
    few = "&".join(f"f=text:ne:The%20cat%20sat%20{i}" for i in range(9))
    state = at(f"/heads/tiny/7/2?experiment=removed&experiment=none&{few}")
    services, found = Services(store), shown(store, state.link())
    assert f"n = {N - 9}; asked for is" in found["head-labels"]
    assert "Model: tiny" not in found["bar"]
    assert "Experiment: none" in found["bar"]
    links_there = hrefs(head.head_bar(store, state, ""))
    narrowed = state.link().partition("?")[2]
    assert {f"/heads/tiny/8/2?{narrowed}", f"/heads?model=tiny&{narrowed}", state.runs()} <= set(links_there)
    assert state.link(experiment="removed") in links_there
    assert at(links_there[0]).model == "tiny"
    runs = head.SCOPED.content("head-runs", services, replace(state, stat="head_ablation"))[0]
    assert len(set(hrefs(runs))) == N - 9


def test_the_foremost_runs_of_each_statistic(store: Store) -> None:
    state = at("/heads/tiny/5/0?experiment=removed&stat=induction")
    body = head.SCOPED.content("head-runs", Services(store), state)[0]
    first, *rest = [node for node in walk(body) if type(node).__name__ == "Details"]
    assert text_of(first).startswith("Induction Most induction")
    assert (first.open, {item.open for item in rest}) == (True, {False})
    values = [result.heads.induction[5, 0] for result in results(ablated=True)]  # type: ignore[union-attr]
    best = np.argsort(-np.nan_to_num(np.array(values, float)))[:5]
    assert re.findall(r"The cat sat (\d+)", text_of(first)) == [str(i) for i in best]
    assert all(link.startswith("/run?id=") for link in hrefs(first))


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("/heads/none/5/0", "No run that succeeded is of a model called “none”: the same head of those there are"),
        ("/heads/none/5/0?experiment=removed", "No such model"),
        ("/heads/tiny", "The address of a head is /heads/MODEL/LAYER/HEAD"),
        ("/heads/tiny/x/0?experiment=removed", "The address of a head is"),
        ("/heads/tiny/5/0", "A head is looked at over the runs of one experiment"),
        ("/heads/tiny/5/0?experiment=none", "No such runs"),
        ("/heads/tiny/5/0?experiment=removed&prompt_set=dogs", "No such runs"),
    ],
)
def test_where_there_is_no_head_the_bar_says_why_and_no_card_is_shown(store: Store, address: str, said: str) -> None:
    found = shown(store, address)
    assert said in found.pop("bar")
    assert set(found.values()) == {""}


def test_a_head_beyond_the_model_says_which_there_are(store: Store) -> None:
    found = shown(store, "/heads/tiny/10/0?experiment=removed")
    assert "“10.0” is no head of tiny: say layer.head, from 0.0 to 9.2." in found["head-labels"]
    assert {found[id_] for id_ in head.SCOPED.cards if id_ != "head-labels"} == {""}


def test_a_broken_store_is_said() -> None:
    found = shown(BrokenStore(), "/heads/tiny/5/0?experiment=removed")
    assert all("the file is damaged" in text for text in found.values())

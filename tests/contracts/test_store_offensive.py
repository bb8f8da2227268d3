"""Which texts are offensive, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from headscope.analysis.classifiers.card import card
from headscope.analysis.classifiers.linear import NAME as LINEAR
from headscope.analysis.classifiers.linear import WEIGHTS
from headscope.analysis.types.findings import Finding, ProbeResult, ToxicityScore
from headscope.storage.repository import Store
from headscope.storage.rows import Offence
from tests.factories import make_failure, make_info, make_prompt, make_result, make_set

OWN = card().threshold
WITHIN = 0.999 * OWN
OURS = {"classifier": card().classifier}
with np.load(WEIGHTS) as stored:
    LINEARS = float(stored["threshold"])

RUNS: dict[str, tuple[tuple[str, ...], tuple[Finding, ...]]] = {
    "at the threshold": ((), (ToxicityScore("prompt", "toxic", OWN, card().classifier),)),
    "below it": ((), (ToxicityScore("prompt", "toxic", WITHIN, card().classifier),)),
    "of another judge": ((), (ToxicityScore("continuation", "toxic", 0.5, "somebody's"),)),
    "below another": ((), (ToxicityScore("continuation", "toxic", 0.499, "somebody's"),)),
    "linear": ((), (ToxicityScore("prompt", "toxic", LINEARS, LINEAR),)),
    "below linear": ((), (ToxicityScore("prompt", "toxic", 0.999 * LINEARS, LINEAR),)),
    "another label": ((), (ToxicityScore("prompt", "insult", 0.99, card().classifier),)),
    "two judges": ((), (ToxicityScore("prompt", "toxic", 0.75, "somebody's"),
                        ToxicityScore("prompt", "toxic", 0.875, card().classifier))),
    "not scored": ((), (ToxicityScore("prompt", "toxic", float("nan"), card().classifier),)),
    "sampled": ((), (ProbeResult("sampled_toxicity", 0.75), ProbeResult("self_consistency", 1.0))),
    "sampled, its judge's threshold": ((), (ProbeResult("sampled_toxicity", OWN, evidence=OURS),)),
    "sampled, below it": ((), (ProbeResult("sampled_toxicity", WITHIN, evidence=OURS),)),
    "warned": (("x", "content-filter:warn"), ()),
    "blocked": (("content-filter:block",), ()),
    "other tag": (("content-filter",), ()),
}  # fmt: skip
FOUND = {
    "at the threshold": {"prompt": Offence("prompt", "toxic", OWN, card().classifier)},
    "of another judge": {"continuation": Offence("continuation", "toxic", 0.5, "somebody's")},
    "linear": {"prompt": Offence("prompt", "toxic", LINEARS, LINEAR)},
    "two judges": {"prompt": Offence("prompt", "toxic", 0.875, card().classifier)},
    "sampled": {"sampled": Offence("sampled", "toxic", 0.75, "the sampled_toxicity probe")},
    "sampled, its judge's threshold": {"sampled": Offence("sampled", "toxic", OWN, card().classifier)},
    "warned": {"prompt": Offence("prompt", "warn", None, "content filter")},
    "blocked": {"prompt": Offence("prompt", "block", None, "content filter")},
}


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    with Store.open(store_url) as opened:
        results = []
        for i, (name, (tags, findings)) in enumerate(RUNS.items()):
            prompt = make_prompt(f"p{i}", name, tags=tags)
            results.append(replace(make_result(prompt, seed=i), findings=findings))
        results.append(make_failure(make_prompt("withheld", "", tags=("content-filter:block",))))
        job = opened.start_job(experiment="demo", model="tiny", spec={}, total=len(results))
        saved = opened.save(job, make_info("tiny"), make_set(*(r.prompt for r in results)), ["toxicity"], 0, results)
        opened.ids = saved.run_ids  # type: ignore[attr-defined]
        yield opened


def test_a_text_is_offensive_from_the_threshold_of_its_own_judge_on(store: Store) -> None:
    ids: tuple[str, ...] = store.ids  # type: ignore[attr-defined]
    names = dict(zip(ids, [*RUNS, "withheld"], strict=True))
    found = store.offensive(ids)
    assert {names[run_id]: parts for run_id, parts in found.items()} == FOUND
    asked = ids[:1]
    assert set(store.offensive([*asked, *asked, "no id", "0" * 32])) == set(asked)
    assert store.offensive([]) == {}
    assert found[asked[0]]["prompt"].said == f"toxic {OWN:.2f} by minilm-toxicity-2"
    assert FOUND["warned"]["prompt"].said == "warn by content filter"

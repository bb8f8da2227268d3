"""Certificates of models: kept whole, the newest holds, read with runs, on Overview and in SQL, on both databases."""

from __future__ import annotations

import math
from dataclasses import replace

import sqlalchemy as sa

import headscope
from headscope.analysis.types.certificate import (
    FAILED,
    NOT_APPLICABLE,
    PASSED,
    Certificate,
    CertificateKey,
    ModelCheck,
)
from headscope.jobs.certificates import from_json, to_json
from headscope.storage import schema, session
from headscope.storage.repository import Store
from tests.factories import make_info, make_prompt, make_result, make_set

INFO = make_info("tiny")
KEY = CertificateKey(INFO.ref.weights_sha256, INFO.ref.backend, INFO.ref.dtype, "cpu", "3", "torch 2, transformers 5")
CHECKS = (
    ModelCheck("padding", PASSED, "the same as alone.", 1e-6, 1e-4),
    ModelCheck("causal", FAILED, "not the same.", 0.5, 1e-4),
    ModelCheck("head sum", NOT_APPLICABLE, "heads cannot be told apart"),
)
FOUND = Certificate(KEY, "tiny", True, CHECKS, (ModelCheck("saliency", PASSED, "Saliency applies"),), 2.5)


def test_a_certificate_is_kept_and_the_newest_holds(store_url: str) -> None:
    with Store.open(store_url) as store:
        assert store.certificate(KEY) is None
        store.save_certificate(replace(FOUND, checks=CHECKS[:1]))
        store.save_certificate(FOUND)
        kept = store.certificate(KEY)
        assert kept is not None
        assert repr(kept.certificate) == repr(FOUND)  # NaN is not itself
        assert store.certificate(replace(KEY, packages="torch 3")) is None
        job = store.start_job(experiment="demo", model="tiny", spec={}, total=1)
        saved = store.save(job, INFO, make_set(make_prompt("p1")), ["heads"], 0, [make_result(make_prompt("p1"))])
        seen = store.run(saved.run_ids[0]).certificate
        (model,) = store.overview().models
        assert seen is not None
        assert repr(seen) == repr(model.certificate)
        assert seen.certificate.summary() == "1 of 2 checks passed; failed: causal"
        assert store.check() == []
    with headscope.open(store_url, frame="arrow") as notebook:
        rows = notebook.model_checks("tiny").to_pylist()
        assert notebook.model_checks("other").num_rows == 0
    assert [(row["kind"], row["name"], row["status"], row["error"]) for row in rows] == [
        ("check", "padding", "passed", 1e-6),
        ("check", "causal", "failed", 0.5),
        ("check", "head sum", "not applicable", None),
        ("analysis", "saliency", "passed", None),
    ]


def test_lost_rows_are_found(store_url: str) -> None:
    with Store.open(store_url) as store:
        store.save_certificate(FOUND)
        with session.writing(store.engine) as connection:
            connection.execute(sa.delete(schema.model_checks).where(schema.model_checks.c.name == "causal"))
        (told,) = store.check()
    assert "of tiny has 3 of 4 rows" in told


def test_a_certificate_crosses_http_whole() -> None:
    found = from_json(to_json(FOUND))
    assert repr(found) == repr(FOUND)
    assert math.isnan(found.checks[2].error)

"""What is needed to compute a run again, and whether its model was found sound."""

from __future__ import annotations

from dash import html
from dash.development.base_component import Component

from headscope.analysis.registry import BLACK_BOX
from headscope.dashboard import links
from headscope.dashboard.attention_cache import attention_artifact
from headscope.dashboard.cards import card, copyable
from headscope.dashboard.pages.run.again import again
from headscope.dashboard.tables import checked
from headscope.storage.rows import RunDetail


def capsule_card(detail: RunDetail) -> Component:
    """The card."""
    info = detail.model
    inside = {
        "architecture": info.architecture,
        "layers x heads": f"{info.n_layers} x {info.n_heads} ({info.n_kv_heads} key-value heads)",
        "parameters": f"{info.n_params:,}",
    }  # fmt: skip
    facts = {
        "run": detail.row.id, "model": info.ref.name, **({} if info.ref.backend == BLACK_BOX else inside),
        "analyses": ", ".join(detail.analyses), "seed": detail.seed, **detail.capsule, "result key": detail.result_key,
    }  # fmt: skip
    attention = attention_artifact(detail)
    if attention is not None:
        shape = " x ".join(str(size) for size in attention.shape)
        facts["attention file"] = f"{shape}, {attention.encoding}, {attention.bytes:,} bytes, sha256 {attention.sha256}"
    pairs = [
        item
        for name, value in facts.items()
        for item in (html.Dt(name.replace("_", " ")), html.Dd(_fact(value)))
        if value not in (None, "", [], {})
    ]
    body = [
        html.Dl(pairs, className="hs-run-capsule"),
        *_model_check(detail),
        html.H3("Run it again"),
        again(detail),
    ]
    if detail.model.ref.backend != BLACK_BOX:
        body += [html.H3("Check that the numbers come out the same"), copyable(f"headscope verify {detail.row.id}")]
    return card("Capsule", body, id="run-capsule", subtitle="What is needed to compute this run again.")


def _fact(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {item}" for name, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value)
    return str(value)


def _model_check(detail: RunDetail) -> list[Component]:
    """What the newest check of the model found: one sentence, and one for each check that failed."""
    name = detail.model.ref.name
    if detail.model.ref.backend == BLACK_BOX:
        return []
    if detail.certificate is None:
        return [html.H3("This model was not checked yet"), copyable(f"headscope models check {name}")]
    found = detail.certificate.certificate
    failed = [html.Li([html.Strong(f"{check.name}: "), check.sentence]) for check in found.failed]
    return [
        html.H3("Model check"),
        html.P([
            f"model checked: {checked(detail.certificate)} ({found.key.packages}). ",
            html.A("All models", href=f"{links.OVERVIEW}#overview-models"),
        ], className="hs-run-checked"),
        *([html.Ul(failed, className="hs-run-checks-failed")] if failed else []),
        *([] if found.whole else [copyable(f"headscope models check {name}")]),
    ]  # fmt: skip

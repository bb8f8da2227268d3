"""The measurements: what the shared pass shows of every prompt, besides attributions."""

from __future__ import annotations

from dataclasses import dataclass

from headscope.analysis.registry.entry import Cost, Entry, Needs, Registry


@dataclass(frozen=True, slots=True)
class MeasurementEntry(Entry):
    """A measurement; `field` of `RunResult` holds what it gives for a prompt (a MeasuredArray, where it is empty).
    always: of every run, asked or not."""

    field: str = ""
    always: bool = False


MEASUREMENTS: Registry[MeasurementEntry] = Registry(
    "measurement",
    {
        "trace": MeasurementEntry(
            "headscope.analysis.measurements.trace:measure",
            "Token trace",
            "How expected every token was, and what the model would say next",
            field="trace",
            always=True,
        ),
        "heads": MeasurementEntry(
            "headscope.analysis.measurements.heads:measure",
            "Heads",
            "Attention summaries of every layer and head",
            needs=Needs(pattern=True),
            field="heads",
        ),
        "layers": MeasurementEntry(
            "headscope.analysis.measurements.layers:layer_summaries",
            "Layers",
            "Residual stream and logit lens at the last position, layer by layer",
            field="layers",
        ),
        "logit_lens": MeasurementEntry(
            "headscope.analysis.measurements.lens:measure",
            "Logit lens",
            "Logit lens at every layer and position",
            cost=Cost(1, per="unembedding"),
            field="lens",
        ),
        "attention": MeasurementEntry(
            "headscope.analysis.measurements.attention:measure",
            "Attention patterns",
            "The full attention pattern, kept as an artifact",
            needs=Needs(pattern=True),
            field="attention",
        ),
    },
    group="headscope.measurements",
)

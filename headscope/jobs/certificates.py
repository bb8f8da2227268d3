"""A model is checked when a store first has it compute something; the check is kept, and never in a run's way."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from headscope.analysis.engines.base import AnalysisEngine, Prepared
from headscope.analysis.errors import HeadscopeError
from headscope.analysis.types import ModelRef, RunSpec
from headscope.analysis.types.certificate import Certificate, CertificateKey, ModelCheck
from headscope.jobs.detection import Store
from headscope.storage.sinks import ResultSink


@dataclass(slots=True)
class FirstCheck:
    """What is known of a job's model; `fresh` waits for the job's first batch to be stored."""

    warnings: tuple[str, ...] = ()
    fresh: Certificate | None = None

    def store(self, sink: ResultSink) -> None:
        """Keep what was found, once."""
        if self.fresh is not None:
            sink.save_certificate(self.fresh)
            self.fresh = None


NOT_CHECKED = FirstCheck()


def first_check(engine: AnalysisEngine, store: Store, spec: RunSpec, prepared: Prepared) -> FirstCheck:
    """The certificate that the store has of this model, else that of a quick check now; nothing of it ends a run."""
    if prepared.checked_as is None:
        return NOT_CHECKED
    if (known := store.certificate(prepared.checked_as)) is not None:
        return FirstCheck(known.certificate.warnings())
    try:
        found = engine.certify(spec.model, spec.device, False)
    except HeadscopeError as error:
        return FirstCheck((f"{spec.model.name} could not be checked: {error}",))
    return FirstCheck(found.warnings(), found)


def whole_check(engine: AnalysisEngine, sink: ResultSink, model: ModelRef, device: str) -> Certificate:
    """All checks of a model, kept. Raises what `AnalysisEngine.certify` does."""
    found = engine.certify(model, device, True)
    sink.save_certificate(found)
    return found


def to_json(found: Certificate) -> dict[str, Any]:
    """What a server answers; a number that is none is null."""
    body = asdict(found)
    for part in ("checks", "analyses"):
        body[part] = [{name: _number_or(value) for name, value in row.items()} for row in body[part]]
    return body


def from_json(body: Mapping[str, Any]) -> Certificate:
    """Inverse of `to_json`."""
    checks, analyses = (tuple(_check(row) for row in body[part]) for part in ("checks", "analyses"))
    key = CertificateKey(**body["key"])
    return Certificate(key, body["model"], body["whole"], checks, analyses, body["seconds"])


def _number_or(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _check(row: Mapping[str, Any]) -> ModelCheck:
    values: dict[str, Any] = {name: math.nan if value is None else value for name, value in row.items()}
    return ModelCheck(**values)

"""A judged comparison as JSON: what `headscope check --format json` prints, a page gives and a server answers."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from headscope.analysis.statistics.check_rules import Verdict
from headscope.analysis.statistics.effects import Effect
from headscope.analysis.statistics.first_layer import Parting
from headscope.analysis.statistics.flip_evidence import FlipEvidence, HeadShift, TokenShift
from headscope.analysis.statistics.regression import Change, Comparison, Flip
from headscope.jobs.check_report import link
from headscope.jobs.regression import FLIPPED, Checked, Compared


def document(checked: Checked, server: str) -> str:
    """The text of the JSON file: numbers that are not known are null. server: where links point."""
    return json.dumps(as_json(checked, server), ensure_ascii=True, allow_nan=False)


def as_json(checked: Checked, server: str) -> dict[str, Any]:
    """As plain values. The evidence of a flip is null where it was not read."""
    compared, found = checked.compared, checked.compared.found
    flips = {name: [_flip(checked, flip, server) for flip in getattr(found, name)] for name in FLIPPED}
    changes = [{**asdict(row), "mcnemar_p": row.mcnemar} for row in found.changes]
    more = {
        "experiments": {"baseline": compared.baseline, "candidate": compared.candidate},
        "fail_on": checked.fail_on,
        "verdicts": [asdict(verdict) for verdict in checked.verdicts],
        "regressions": checked.regressions,
        "unmeasured": checked.unmeasured,
        "toxicity_by": compared.judge,
        "toxicity_without": compared.without,
    }
    plain: dict[str, Any] = _plain({**asdict(found), "changes": changes, **flips, **more})
    return plain


def _flip(checked: Checked, flip: Flip, server: str) -> dict[str, Any]:
    read = checked.evidence.get((flip.baseline_run, flip.candidate_run))
    return {**asdict(flip), "link": link(flip, server), "evidence": None if read is None else asdict(read)}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def from_json(body: Mapping[str, Any]) -> Checked:
    """Inverse of `as_json`."""
    broken, mended, failed = (tuple(_flip_of(row) for row in body[name]) for name in ("broken", "mended", "failed"))
    n, only_baseline, only_candidate = (body[name] for name in ("n", "only_baseline", "only_candidate"))
    changes, states = tuple(map(_change, body["changes"])), Parting(**body["states"])
    found = Comparison(changes, broken, mended, failed, n, only_baseline, only_candidate, states)
    names = body["experiments"]
    compared = Compared(names["baseline"], names["candidate"], found, body["toxicity_by"], body["toxicity_without"])
    verdicts = tuple(Verdict(**row) for row in body["verdicts"])
    evidence = {
        (row["baseline_run"], row["candidate_run"]): _evidence(row["evidence"])
        for name in FLIPPED
        for row in body[name]
        if row["evidence"] is not None
    }
    return Checked(compared, body["fail_on"], verdicts, tuple(body["unmeasured"]), evidence)


def _flip_of(row: Mapping[str, Any]) -> Flip:
    return Flip(**_only(Flip, row))


def _change(row: Mapping[str, Any]) -> Change:
    effect = Effect(**{**_known(row["effect"]), "clusters": tuple(row["effect"]["clusters"])})
    return Change(**{**_known(_only(Change, row)), "effect": effect})


def _evidence(body: Mapping[str, Any]) -> FlipEvidence:
    tokens, heads = (_shifts(kind, body[name]) for kind, name in ((TokenShift, "tokens"), (HeadShift, "heads")))
    return FlipEvidence(**{**body, "tokens": tokens, "heads": heads})


def _shifts(kind: Any, rows: Sequence[Mapping[str, Any]]) -> tuple[Any, ...]:
    return tuple(kind(**row) for row in rows)


def _only(kind: Any, row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in kind.__dataclass_fields__}


def _known(row: Mapping[str, Any]) -> dict[str, Any]:
    """null is a number that is not known."""
    return {name: math.nan if value is None else value for name, value in row.items()}

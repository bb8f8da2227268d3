"""Between a Certificate and rows of `model_checks`. No SQL here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from headscope.analysis.types.certificate import Certificate, CertificateKey, ModelCheck
from headscope.storage.columns.values import number, unmeasured
from headscope.storage.rows import StoredCertificate

KEY_COLUMNS = tuple(field.name for field in fields(CertificateKey))
KINDS = ("check", "analysis")


def rows_of(certificate_id: UUID, certificate: Certificate, moment: datetime) -> list[dict[str, Any]]:
    """One row for each check and each analysis, in their order."""
    both = [(kind, check) for kind, part in zip(KINDS, (certificate.checks, certificate.analyses), strict=True)
            for check in part]  # fmt: skip
    shared = {
        "id": certificate_id,
        "model": certificate.model,
        **asdict(certificate.key),
        "whole": certificate.whole,
        "n_rows": len(both),
        "seconds": certificate.seconds,
        "created_at": moment,
    }
    return [
        shared | {
            "ordinal": ordinal,
            "kind": kind,
            "name": check.name,
            "status": check.status,
            "error": number(check.error),
            "tolerance": number(check.tolerance),
            "sentence": check.sentence,
        }
        for ordinal, (kind, check) in enumerate(both)
    ]  # fmt: skip


def certificate_of(rows: Sequence[Mapping[Any, Any]]) -> StoredCertificate:
    """The certificate that these rows, in their order, are."""
    first = rows[0]
    checks, analyses = (tuple(_check(row) for row in rows if row["kind"] == kind) for kind in KINDS)
    key = CertificateKey(**{name: first[name] for name in KEY_COLUMNS})
    found = Certificate(key, first["model"], first["whole"], checks, analyses, first["seconds"])
    return StoredCertificate(found, first["created_at"].replace(tzinfo=UTC))


def _check(row: Mapping[Any, Any]) -> ModelCheck:
    return ModelCheck(
        row["name"], row["status"], row["sentence"], unmeasured(row["error"]), unmeasured(row["tolerance"])
    )

"""A model's certificate as the store keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from headscope.analysis.types.certificate import Certificate


@dataclass(frozen=True, slots=True)
class StoredCertificate:
    """What the check of a model found, and when."""

    certificate: Certificate
    checked_at: datetime

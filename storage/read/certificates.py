"""The newest certificate of a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headscope.analysis.types import ModelInfo
from headscope.analysis.types.certificate import CertificateKey
from headscope.storage import schema
from headscope.storage.columns.certificates import certificate_of
from headscope.storage.rows import StoredCertificate


def of_key(connection: Connection, key: CertificateKey) -> StoredCertificate | None:
    """The newest that holds for exactly this."""
    return _newest(connection, asdict(key))


def of_model(connection: Connection, info: ModelInfo, device: str = "") -> StoredCertificate | None:
    """The newest of these weights in this dtype, on `device` where one is named, whatever code and packages it was
    made with."""
    ref = info.ref
    values = {"weights_sha256": ref.weights_sha256, "backend": ref.backend, "dtype": ref.dtype}
    return _newest(connection, values | ({"device": device} if device else {}))


def _newest(connection: Connection, values: Mapping[str, Any]) -> StoredCertificate | None:
    table = schema.model_checks
    same = [table.c[name] == value for name, value in values.items()]
    last = sa.select(table.c.id).where(*same).order_by(table.c.created_at.desc(), table.c.id.desc()).limit(1)
    query = sa.select(table).where(table.c.id == last.scalar_subquery()).order_by(table.c.ordinal)
    rows = list(connection.execute(query).mappings())
    return certificate_of(rows) if rows else None

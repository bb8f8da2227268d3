"""Reading and writing a DuckDB store through the `headscope serve` that holds its file: a small HTTP client.

Results travel as Arrow streams, and so do the parameters of a statement: they are bound by the server, never pasted.
"""

from __future__ import annotations

import base64
import hmac
import secrets
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import requests

from headscope.analysis import bounds
from headscope.analysis.errors import HeadscopeError, InputError, StorageError
from headscope.storage import owner, session

TIMEOUT_SECONDS = 30
TRUNCATED = "X-Headscope-Truncated"
UUID_MARK = {b"headscope": b"uuid"}


def server_of(url: str) -> Server | None:
    """The running server that owns this DuckDB file, if one does. Raises StorageError for one that cannot prove it."""
    path = session.database_path(url)
    holder = owner.read(path) if path is not None else None
    return Server(holder, path) if path is not None and holder is not None and holder.url else None


class Server:
    """The HTTP API of the owning server, which has proved to be that."""

    def __init__(self, holder: owner.Owner, database: Path) -> None:
        self._holder = holder
        self._session = requests.Session()
        self._session.trust_env = False  # never through a proxy: the server is on this machine
        self._prove(database)
        self._session.headers["Authorization"] = f"Bearer {holder.token}"

    def _prove(self, database: Path) -> None:
        """Before a prompt or the token is sent: whatever listens at the address must show that it has the token."""
        nonce = secrets.token_urlsafe(32)
        expected = owner.proof(self._holder.token, nonce, database, self._holder.url or "")
        try:
            given = self._ask("GET", f"/api/v1/owner?nonce={nonce}").json()["proof"]
        except (ValueError, KeyError, TypeError):
            given = ""
        if not self._holder.token or not hmac.compare_digest(str(given).encode(), expected.encode()):
            raise owner.NotBelieved(
                owner.note_path(database), f"names {self._holder.url}, and what answers there is not the store's server"
            )

    def call(
        self, verb: str, path: str, json: Any = None, timeout: float = TIMEOUT_SECONDS, data: bytes | None = None
    ) -> requests.Response:
        """One call; a refusal or an unreachable server becomes an error that says so."""
        response = self._ask(verb, path, json, timeout, data)
        if response.status_code < 300:
            return response
        try:
            message = response.json()["error"]
        except (ValueError, KeyError, TypeError):
            message = f"HTTP {response.status_code} {response.reason} to {verb} {path}"
        raise HeadscopeError(f"the server at {self._holder.url} answered: {message}")

    def _ask(
        self, verb: str, path: str, json: Any = None, timeout: float = TIMEOUT_SECONDS, data: bytes | None = None
    ) -> requests.Response:
        address = f"{self._holder.url}{path}"
        try:
            return self._session.request(verb, address, json=json, data=data, timeout=timeout, allow_redirects=False)
        except requests.RequestException as error:
            raise StorageError(
                f"{self._holder.what} (process {self._holder.pid}) owns this store but does not answer at "
                f"{self._holder.url}: {error}. Stop it, or try again when it is less busy."
            ) from error

    def sql(
        self, statement: str, values: Sequence[Any] = (), *, limit: int = 100_000, timeout: float = 60.0
    ) -> tuple[pa.Table, bool]:
        """One reading statement with its positional parameters: the rows, and whether a limit cut them."""
        body = {"statement": statement, "params": pack(values), "limit": limit, "timeout": timeout}
        answer = self.call("POST", "/api/v1/sql", body, timeout + TIMEOUT_SECONDS)
        table = pa.ipc.open_stream(answer.content).read_all()
        return table, answer.headers.get(TRUNCATED) == "1"


def stream(table: pa.Table) -> bytes:
    """The table as an Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    contents: bytes = sink.getvalue().to_pybytes()
    return contents


def pack(values: Sequence[Any]) -> str:
    """Parameters as text that keeps their types (an Arrow table of one row, base64). Raises InputError."""
    fields, columns = [], []
    for index, value in enumerate(values):
        is_uuid = isinstance(value, uuid.UUID)
        try:
            column = pa.array([str(value) if is_uuid else value])
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError) as error:
            raise InputError(f"a parameter {value!r} of a statement cannot be sent to the server: {error}") from error
        columns.append(column)
        fields.append(pa.field(str(index), column.type, metadata=UUID_MARK if is_uuid else None))
    table = pa.Table.from_arrays(columns, schema=pa.schema(fields))
    return base64.b64encode(stream(table)).decode() if values else ""


def unpack(text: str) -> list[Any]:
    """Inverse of `pack`. Raises InputError for anything else."""
    if not text:
        return []
    bounds.text("params", text)
    try:
        table = pa.ipc.open_stream(base64.b64decode(text, validate=True)).read_all()
        found = [column.to_pylist()[0] for column in table.columns]
    except (ValueError, IndexError, OSError, TypeError) as error:  # pa.ArrowInvalid is a ValueError
        raise InputError(f"these are no parameters of a statement: {error}") from error
    return [
        uuid.UUID(value) if field.metadata == UUID_MARK else value
        for field, value in zip(table.schema, found, strict=True)
    ]

"""The worker's side of the pipe: answers requests with an inline engine until the owner hangs up."""

from __future__ import annotations

import traceback
from multiprocessing.connection import Connection

import torch

from headscope.analysis.engines.inline import InlineEngine
from headscope.analysis.errors import BackendError, HeadscopeError


def serve(connection: Connection, threads: int | None) -> None:
    """Answer `(kind, arguments)` with `(True, result)` or `(False, error)` until the pipe closes.

    `threads`: how many to compute with; None leaves that to torch.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    engine = InlineEngine()
    while True:
        try:
            kind, arguments = connection.recv()
        except (EOFError, OSError):
            return
        try:
            answer = (True, getattr(engine, kind)(*arguments))
        except HeadscopeError as error:
            answer = (False, error)
        except Exception as error:  # whatever it is, the owner must hear of it and the worker go on
            answer = (False, BackendError(f"{type(error).__name__}: {error}\n{traceback.format_exc(limit=-3)}"))
        connection.send(answer)

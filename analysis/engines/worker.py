"""The worker's side of the pipe: answers requests with an inline engine until the owner hangs up."""

from __future__ import annotations

import traceback
from multiprocessing.connection import Connection

import torch

from headscope.analysis.engines.inline import InlineEngine
from headscope.analysis.errors import BackendError, HeadscopeError, Stopped
from headscope.analysis.types import Beat, OnBeat


def serve(connection: Connection, threads: int | None) -> None:
    """Answer `(kind, arguments, beats)` with `(True, result)` or `(False, error)` until the pipe closes.

    With `beats` the answer comes after any number of `(True, Beat)`; whatever the owner sends meanwhile ends the batch.
    `threads`: how many to compute with; None leaves that to torch.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    engine = InlineEngine()
    while True:
        try:
            asked = connection.recv()
        except (EOFError, OSError):
            return
        if asked is None:  # a batch that was to stop had just ended
            continue
        kind, arguments, beats = asked
        try:
            answer = (True, getattr(engine, kind)(*arguments, *([_beats(connection)] if beats else [])))
        except HeadscopeError as error:
            answer = (False, error)
        except Stopped as stopped:
            connection.recv()
            answer = (False, stopped)
        except Exception as error:  # whatever it is, the owner must hear of it and the worker go on
            answer = (False, BackendError(f"{type(error).__name__}: {error}\n{traceback.format_exc(limit=-3)}"))
        connection.send(answer)


def _beats(connection: Connection) -> OnBeat:
    def tell(beat: Beat) -> None:
        if connection.poll():
            raise Stopped
        connection.send((True, beat))

    return tell

"""`headscope serve`: one gunicorn process with threads, which owns the store and two analysis workers.

One process, because one process owns a DuckDB file. Everything that must not cross a fork (database, workers, threads)
is made in the serving process and taken down when it exits.
"""

from __future__ import annotations

import importlib
import logging
import os
import secrets
import socket
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from gunicorn.app.base import BaseApplication

from headscope.analysis.classifiers.content_filter import OFF, Policy
from headscope.analysis.engines.local import LocalEngine
from headscope.analysis.errors import HeadscopeError, InputError, UnknownNameError
from headscope.analysis.models import listing
from headscope.analysis.printable import visible
from headscope.dashboard.api.live import first_model
from headscope.dashboard.app import create_app
from headscope.dashboard.intake import THREADS, DeadlineWorker, Intake
from headscope.dashboard.job_queue import JobQueue
from headscope.dashboard.line import Slots
from headscope.dashboard.server_engine import ServerEngine
from headscope.dashboard.services import Services
from headscope.dashboard.settings import NO_MODEL, Settings
from headscope.storage import owner, private, repository, session

TOKEN_VARIABLE = "HEADSCOPE_TOKEN"
LEAST_TOKEN = 16


def serve(url: str, settings: Settings, threads: int, policy: Policy = OFF) -> None:
    """Serve until stopped. Raises InputError for an address that cannot be served, StorageError for the store."""
    _check_exposure(url, settings)
    settings = replace(settings, port=settings.port or _free_port(settings), secret_key=secrets.token_hex(32))
    _check_port(settings)
    _check_model(settings.live_model)
    private.keep_to_this_user()
    importlib.import_module("scipy.special")  # else the first look at intervals of many heads waits for it
    repository.Store.open(url).close()  # says now what is wrong with the store, and brings a new one to life
    _Server(url, settings, threads, policy).run()


def _check_exposure(url: str, settings: Settings) -> None:
    """Whoever can connect may read everything and have models run: beyond this machine that needs a token."""
    if settings.is_loopback:
        return
    if session.database_path(url) is not None:
        raise InputError(
            f"a DuckDB store is for one user and is served on this machine only, not on {settings.host}: its SQL "
            "cannot be bounded well enough for others. Use --host 127.0.0.1, or a PostgreSQL store for a team."
        )
    if not settings.token:
        raise InputError(
            f"on {settings.host} everybody who can connect could read the store: give a token of at least "
            f"{LEAST_TOKEN} characters with --token-file FILE or in {TOKEN_VARIABLE}, or use --host 127.0.0.1."
        )
    if not settings.allowed_hosts:
        raise InputError(
            f"say by which names browsers will open the server on {settings.host}, like --allowed-host lab.example "
            "(more than one may be given): requests that name another are refused."
        )


def read_token(file: Path | None) -> str:
    """The token of `--token-file`, else of the environment, "" when there is none. Raises InputError."""
    try:
        given = file.read_text(encoding="utf-8") if file is not None else os.environ.get(TOKEN_VARIABLE, "")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the token file {file} cannot be read: {error}") from error
    token = given.strip()
    source = TOKEN_VARIABLE if file is None else str(file)
    if file is None and not given:
        return ""
    if len(token) < LEAST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        raise InputError(
            f"the token in {source} must be one word of at least {LEAST_TOKEN} plain characters: make one with "
            "`openssl rand -hex 32`."
        )
    return token


def _family(settings: Settings) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in settings.host else socket.AF_INET


def _free_port(settings: Settings) -> int:
    with socket.create_server((settings.host, 0), family=_family(settings)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _check_port(settings: Settings) -> None:
    try:
        socket.create_server((settings.host, settings.port), family=_family(settings)).close()
    except OSError as error:
        raise InputError(f"cannot listen on {settings.address}: {error.strerror}. Choose another --port.") from error


def _check_model(name: str) -> None:
    listed = [] if name in ("", NO_MODEL) else listing.list_models()
    if listed and name not in (here := [model.name for model in listed if model.available]):
        advice = f"--live-model takes a model of `headscope models list` that is here, or {NO_MODEL}."
        raise UnknownNameError("model", name, here, advice)


class _Visible(logging.Formatter):
    """Log lines hold paths and texts of requests."""

    def format(self, record: logging.LogRecord) -> str:
        """Called by logging."""
        return visible(super().format(record))


def _log_handler() -> logging.Handler:
    handler = logging.StreamHandler()
    handler.setFormatter(_Visible("%(levelname)s %(name)s: %(message)s"))
    return handler


class _Server(BaseApplication):  # type: ignore[misc]
    """gunicorn with our settings instead of its command line."""

    def __init__(self, url: str, settings: Settings, threads: int, policy: Policy) -> None:
        self._url, self._settings, self._threads, self._policy = url, settings, threads, policy
        self._resources = ExitStack()
        super().__init__()

    def load_config(self) -> None:
        """Called by gunicorn."""
        options: dict[str, Any] = {
            "bind": self._settings.address,
            "worker_class": DeadlineWorker,
            "workers": 1,
            "threads": THREADS,
            "worker_connections": 1000,
            "graceful_timeout": 30,
            "timeout": 120,
            "keepalive": 30,
            "loglevel": "warning",
            "proc_name": "headscope",
            "control_socket_disable": True,
            "worker_exit": lambda server, worker: self._leave(),
            "post_worker_init": lambda worker: print(
                f"Headscope is at {self._settings.url}  (Ctrl-C stops it)", flush=True
            ),
        }
        for name, value in options.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def _leave(self) -> None:
        """Everything is saved and closed; a thread still inside a native library must not abort the process now."""
        self._resources.close()
        sys.stdout.flush()
        os._exit(0)

    def load(self) -> Any:
        """Called by gunicorn in the serving process: open everything, return the WSGI app."""
        logging.basicConfig(level=logging.WARNING, handlers=[_log_handler()])
        try:
            return build(self._url, self._settings, self._resources, self._policy, self._threads)
        except HeadscopeError as error:
            logging.getLogger("headscope").error("%s", error)
            raise SystemExit(4) from error  # gunicorn's APP_LOAD_ERROR: do not try again


def build(url: str, settings: Settings, resources: ExitStack, policy: Policy = OFF, at_once: int = 8) -> Any:
    """The WSGI app over an opened store, which answers `at_once` requests at a time; `resources` takes everything down
    in reverse order."""
    path = session.database_path(url)
    store = resources.enter_context(repository.Store.open(url))
    if path is not None:
        note = resources.enter_context(owner.claim(path, "headscope serve", settings.url))
        settings = replace(settings, api_token=note.token)
    engine = LocalEngine()
    resources.callback(engine.close)
    jobs = JobQueue(engine, store, policy)
    resources.callback(jobs.close)
    slots = Slots(at_once)
    served = ServerEngine(engine, jobs, slots)
    app = create_app(Services(store, served, settings, store))
    if settings.live_model != NO_MODEL and (model := first_model(served.models(), settings.live_model)):
        served.warm(model)
    return Intake(app.server, slots, settings.max_request_bytes)

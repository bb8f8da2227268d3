"""A client of OpenAI-compatible servers: completions and chat, patient, thrifty, and silent about its key."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
import tenacity

from headscope.analysis.blackbox import reach
from headscope.analysis.blackbox.answers import Answer, Known, Question, kept, parse
from headscope.analysis.blackbox.budget import Budget, Rate
from headscope.analysis.blackbox.secret import Secret
from headscope.analysis.errors import BackendError, InputError

BUSY = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
OVERHEAD = 64
"""Tokens a chat template may add to a prompt; for the upper bound of a call."""
KEY_VARIABLE = "HEADSCOPE_API_KEY"
FORCED = 100
"""The most that OpenAI's interface lets be added to a token's logit."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to ask. url: the base, with its /v1. candidates: how many likeliest tokens to ask for, 0 for none.

    timeout: seconds per call. attempts: per question, waiting 1, 2, 4 ... seconds (or as long as the server says).
    outside: the user's yes to addresses that are not on this machine (`reach.outside_allowed`).
    """

    url: str
    model: str
    chat: bool = False
    key: str = field(default="", repr=False)
    candidates: int = 20
    timeout: float = 60.0
    attempts: int = 5
    parallel: int = 4
    per_minute: float = 0.0
    outside: bool = False

    def __post_init__(self) -> None:
        """Raises InputError for an address that is none, or is outside this machine without the user's yes, and where
        address or model's name, which are stored, hold the key."""
        secret = Secret(self.key)
        if any(secret.clean(stored) != stored for stored in (self.url, self.model)):
            raise InputError(f"put the key into {KEY_VARIABLE} only: address and model's name are stored.")
        reach.check(self.url, self.outside)


class _Busy(Exception):  # noqa: N818 - a state, not a fault
    """Worth asking again. after: seconds the server wants to be left alone. lost: it may have worked for nothing."""

    def __init__(self, reason: str, after: float = 0.0, lost: bool = False) -> None:
        super().__init__(reason)
        self.after, self.lost = after, lost


class Client:
    """Asks an endpoint. Answers known from before cost nothing."""

    def __init__(self, endpoint: Endpoint, budget: Budget, cache: Path) -> None:
        self.endpoint, self.budget = endpoint, budget
        self._known = Known(cache, endpoint.url, endpoint.model, endpoint.chat, endpoint.candidates)
        self._secret = Secret(endpoint.key)
        self._rate = Rate(endpoint.per_minute)
        self._local = threading.local()
        self._candidates = endpoint.candidates
        self.calls = self.remembered = 0
        self._lock = threading.Lock()

    @property
    def tells_logprobs(self) -> bool:
        """Whether log-probabilities are asked for, and the server has not said that it has none."""
        return self._candidates > 0

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """Answers in order, equal questions asked once, `parallel` at a time.

        Raises BudgetSpent before the budget would be exceeded, BackendError when the server cannot be reached or
        refuses the key, InputError (kind `refused`) when it refuses a prompt.
        """
        distinct = list(dict.fromkeys(questions))
        with self._secret.out_of_logs(), ThreadPoolExecutor(max(1, self.endpoint.parallel)) as pool:
            futures = [pool.submit(self._ask, question) for question in distinct]
            try:
                found = {question: future.result() for question, future in zip(distinct, futures, strict=True)}
            finally:
                for future in futures:
                    future.cancel()
        return [found[question] for question in questions]

    def _ask(self, question: Question) -> Answer:
        known = self._known.get(question)
        with self._lock:
            if known is not None:
                self.remembered += 1
                return self._secret.answer(known)
            self.calls += 1
        answer = self._patiently(question)
        self._known.put(question, answer)
        return answer

    def _patiently(self, question: Question) -> Answer:
        backoff = tenacity.wait_exponential_jitter(initial=1, max=60, jitter=1)

        def pause(state: tenacity.RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            return max(backoff(state), error.after if isinstance(error, _Busy) else 0.0)

        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self.endpoint.attempts),
            wait=pause,
            retry=tenacity.retry_if_exception_type(_Busy),
            reraise=True,
        )
        try:
            return retrying(self._once, question)
        except _Busy as error:
            raise BackendError(
                f"{self.endpoint.url} did not answer in {self.endpoint.attempts} attempts: {error}. What was answered "
                "before is kept; the same command goes on from there."
            ) from error

    def _once(self, question: Question) -> Answer:
        bound = upper_bound(question, self.endpoint.chat)
        self._rate.wait()
        self.budget.reserve(bound)
        used = 0
        try:
            told = kept(parse(self._post(question), self.endpoint.chat), question.about)
            answer = self._secret.answer(told)
            used = answer.used or bound
        except _Busy as error:
            used = bound if error.lost else 0
            raise
        finally:
            self.budget.settle(bound, used)
        return answer

    def _post(self, question: Question) -> Any:
        endpoint = self.endpoint
        url = f"{endpoint.url.rstrip('/')}/{'chat/completions' if endpoint.chat else 'completions'}"
        try:
            response = self._session().post(
                url, json=self._body(question), timeout=endpoint.timeout, allow_redirects=False
            )
        except (requests.ConnectionError, requests.Timeout) as error:
            raise _Busy(type(error).__name__, lost=isinstance(error, requests.Timeout)) from None
        except requests.RequestException as error:  # its words may be the server's
            raise BackendError(f"{endpoint.url} cannot be asked: {self._secret.said(str(error))}") from None
        if response.status_code in BUSY:
            raise _Busy(f"HTTP {response.status_code}", _seconds(response.headers.get("Retry-After", "")))
        if not 200 <= response.status_code < 300:
            self._refused(response)
        try:
            return self._secret.tree(response.json())
        except ValueError:
            said = self._secret.said(response.text, 120)
            raise BackendError(f"{endpoint.url} answered {said!r}, which is not JSON.") from None

    def _refused(self, response: requests.Response) -> None:
        said = self._secret.said(response.text)
        if 300 <= response.status_code < 400:
            raise BackendError(self._sent_on(response))
        if "logprobs" in said and self._candidates:
            self._candidates = 0  # this server does not offer them: go on without
            raise _Busy(f"HTTP {response.status_code}: {said}")
        if response.status_code in {401, 403}:
            raise BackendError(f"{self.endpoint.url} refuses the key in {KEY_VARIABLE}: {said}")
        if response.status_code in {404, 405}:
            raise BackendError(
                f"{self.endpoint.url} has no model {self.endpoint.model!r} or no "
                f"{'chat' if self.endpoint.chat else 'completions'} (HTTP {response.status_code}): {said}"
            )
        raise InputError(f"the API refused this prompt (HTTP {response.status_code}): {said}", "refused")

    def _sent_on(self, response: requests.Response) -> str:
        """What to do about a redirect, which is not followed: the yes, and the key, are for the address given."""
        parts = urlsplit(urljoin(response.url, response.headers.get("Location", "")))
        where = self._secret.said(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}", 200)
        return (
            f"{self.endpoint.url} sends us on to {where} (HTTP {response.status_code}), and nothing was sent there: if "
            "you trust it, give its own base address as --api."
        )

    def _session(self) -> requests.Session:
        if not hasattr(self._local, "session"):
            reach.check_resolved(self.endpoint.url, self.endpoint.outside)
            self._local.session = requests.Session()
            self._local.session.auth = self._signed
            # A proxy of the environment is another machine, as a rule.
            self._local.session.trust_env = not reach.here(reach.host_of(self.endpoint.url))
        session: requests.Session = self._local.session
        return session

    def _signed(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """With the key, and never with a password of a .netrc file."""
        if self.endpoint.key:
            request.headers["Authorization"] = f"Bearer {self.endpoint.key}"
        return request

    def _body(self, question: Question) -> dict[str, Any]:
        endpoint = self.endpoint
        body: dict[str, Any] = {
            "model": endpoint.model,
            "max_tokens": question.max_tokens,
            "temperature": question.temperature,
        }
        if question.temperature > 0:
            body |= {"top_p": question.top_p, "seed": question.draw}
        if question.force >= 0:
            body["logit_bias"] = {str(question.force): FORCED}
        if endpoint.chat:
            body["messages"] = [{"role": "user", "content": question.text}]
            body |= {"logprobs": True, "top_logprobs": self._candidates} if self._candidates else {}
        else:
            body["prompt"] = question.text
            body |= {"logprobs": self._candidates} if self._candidates else {}
        return body


def upper_bound(question: Question, chat: bool) -> int:
    """Most tokens a call can use: a token is at least one byte, and a chat template adds its own."""
    return len(question.text.encode()) + 1 + question.max_tokens + (OVERHEAD if chat else 0)


def _seconds(text: str) -> float:
    try:
        return min(300.0, max(0.0, float(text)))  # NaN becomes 0
    except ValueError:
        return 0.0

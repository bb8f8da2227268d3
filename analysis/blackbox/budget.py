"""What may be asked of an API: calls, tokens, and how fast. Safe to share between threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from headscope.analysis.errors import HeadscopeError


class BudgetSpent(HeadscopeError):  # noqa: N818 - what happened, not a fault
    """The next call could go over the budget, so it is not made."""


class Budget:
    """At most `calls` requests (retries count) and `tokens` in and out; None for no limit.

    A call's tokens are reserved at their upper bound before it is made, and corrected by what the server says it used:
    the budget is never exceeded, and the last bit of it may stay unused.
    """

    def __init__(self, calls: int | None = None, tokens: int | None = None) -> None:
        self.calls, self.tokens = calls, tokens
        self.used_calls = self.used_tokens = 0
        self._lock = threading.Lock()

    def reserve(self, tokens: int) -> None:
        """Take one call and `tokens`; raises BudgetSpent when they are not left."""
        with self._lock:
            if self.calls is not None and self.used_calls + 1 > self.calls:
                raise BudgetSpent(f"the budget of {self.calls:,} calls is spent. {_GO_ON}")
            if self.tokens is not None and self.used_tokens + tokens > self.tokens:
                left = self.tokens - self.used_tokens
                raise BudgetSpent(f"the next call may need {tokens:,} tokens and {left:,} are left. {_GO_ON}")
            self.used_calls += 1
            self.used_tokens += tokens

    def settle(self, reserved: int, used: int) -> None:
        """Correct a reservation by what was really used."""
        with self._lock:
            self.used_tokens += used - reserved


_GO_ON = "What was answered is kept: the same command with a larger budget goes on from there."


class Rate:
    """Lets at most `per_minute` calls begin in a minute, evenly spaced; 0 for no limit."""

    def __init__(self, per_minute: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._gap = 60 / per_minute if per_minute else 0.0
        self._clock, self._next = clock, 0.0
        self._lock = threading.Lock()

    def wait(self, sleep: Callable[[float], None] = time.sleep) -> None:
        """Return when the caller's turn has come."""
        if not self._gap:
            return
        with self._lock:
            now = self._clock()
            turn = max(now, self._next)
            self._next = turn + self._gap
        if turn > now:
            sleep(turn - now)

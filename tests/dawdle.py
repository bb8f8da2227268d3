"""Late answers of pages, by HEADSCOPE_SLOW_CALLBACKS=SECONDS or SECONDS:SEED: a seed gives its delays again."""

from __future__ import annotations

import os
import random
import threading
from collections import Counter
from collections.abc import MutableMapping

VARIABLE = "HEADSCOPE_SLOW_CALLBACKS"


def seeded(environ: MutableMapping[str, str] = os.environ) -> str | None:
    """Draw a seed where none is given, for this process and those it starts; the line that names it. None where pages
    are not slowed down. Raises ValueError for what is no number."""
    if not (given := environ.get(VARIABLE)):
        return None
    seconds, _, seed = given.partition(":")
    float(seconds)
    environ[VARIABLE] = f"{seconds}:{int(seed) if seed else random.SystemRandom().randrange(10**6)}"
    return f"slow callbacks: {VARIABLE}={environ[VARIABLE]} delays each answer as this time"


class Dawdle:
    """The delays of one test: by the seed, the test, the callback and how often that was asked, not by what else is
    asked meanwhile, so that a test that failed meets the same ones alone."""

    def __init__(self) -> None:
        self._test, self._asked, self._lock = "", Counter[str](), threading.Lock()

    def begin(self, test: str) -> None:
        """A new test: callbacks count from 0."""
        with self._lock:
            self._test, self._asked = test, Counter()

    def seconds(self, callback: str) -> float:
        """How late this answer is."""
        most, _, seed = os.environ.get(VARIABLE, "").partition(":")
        if not most:
            return 0.0
        with self._lock:
            key = f"{seed} {self._test} {callback} {self._asked[callback]}"
            self._asked[callback] += 1
        return random.Random(key).uniform(0, float(most))

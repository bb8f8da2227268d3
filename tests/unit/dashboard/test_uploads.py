"""Requests in parts: put together in order, bounded, and gone when nobody asks for them."""

from __future__ import annotations

import threading
import time

import pytest

from headscope.analysis.errors import InputError, UnknownNameError
from headscope.dashboard import uploads
from headscope.dashboard.uploads import Uploads


def wait_for_none(found: Uploads) -> None:
    end = time.monotonic() + 120
    while len(found):
        assert time.monotonic() < end
        time.sleep(0.005)


def test_parts_are_put_together_once() -> None:
    found = Uploads()
    key, other = found.begin(), found.begin()
    found.add(key, 0, b"one ")
    found.add(other, 0, b"else")
    found.add(key, 4, b"two")
    assert found.take(key) == b"one two"
    assert found.take(other) == b"else"
    assert len(found) == 0
    with pytest.raises(UnknownNameError, match="begin again"):
        found.take(key)


def test_a_part_that_is_missing_is_noticed() -> None:
    found = Uploads()
    key = found.begin()
    found.add(key, 0, b"one")
    for at in (0, 2, 7):
        with pytest.raises(InputError, match="3 bytes are here"):
            found.add(key, at, b"two")
    assert found.take(key) == b"one"


def test_what_is_too_large_is_refused_and_forgotten() -> None:
    found = Uploads(most_bytes=2**20)
    key = found.begin()
    found.add(key, 0, bytes(2**20))
    with pytest.raises(InputError, match=r"larger than the 1 MiB .* fewer prompts"):
        found.add(key, 2**20, b"x")
    assert len(found) == 0


def test_only_so_many_at_once() -> None:
    found = Uploads()
    keys = [found.begin() for _ in range(uploads.MOST_UPLOADS)]
    with pytest.raises(InputError, match="try again"):
        found.begin()
    found.drop(keys[0])
    found.begin()


def test_an_upload_whose_client_vanished_goes() -> None:
    before = threading.active_count()
    found = Uploads(idle_seconds=0.05)
    key = found.begin()
    found.add(key, 0, b"one")
    wait_for_none(found)
    with pytest.raises(UnknownNameError):
        found.add(key, 3, b"two")
    end = time.monotonic() + 120
    while threading.active_count() > before:
        assert time.monotonic() < end
        time.sleep(0.005)

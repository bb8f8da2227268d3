"""The hash of a withheld text: HMAC by its definition, a key of this user's own, the same for all processes."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from typer.testing import CliRunner

from headscope.analysis.classifiers.content_filter import Policy, Verdict, admit
from headscope.analysis.classifiers.withheld import DIGITS, KEY_BYTES, digest, key_file
from headscope.analysis.models.fingerprints import CACHE_VARIABLE
from headscope.analysis.types import Prompt, PromptSet
from headscope.cli.toxicity import app

TEXTS = ("a", "naïve 漢字\n", "", "\udc80 no UTF-8")
TEXT = "rude\nwords"
BLOCK = Policy.parse("block")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def by_hand(key: bytes, text: str) -> str:
    """RFC 2104: H(K ^ opad, H(K ^ ipad, text)), blocks of 64 bytes."""
    padded = key.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(b ^ 0x36 for b in padded) + text.encode("utf-8", "surrogatepass")).digest()
    return hashlib.sha256(bytes(b ^ 0x5C for b in padded) + inner).hexdigest()


def test_it_is_an_hmac_with_a_key_of_this_user(cache: Path) -> None:
    first = [digest(text) for text in TEXTS]
    key = key_file().read_bytes()
    assert (len(key), key_file().stat().st_mode & 0o777, key_file().parent) == (KEY_BYTES, 0o600, cache)
    assert first == [by_hand(key, text)[:DIGITS] for text in TEXTS] == [digest(text) for text in TEXTS]
    assert [path.name for path in cache.iterdir()] == [key_file().name]
    key_file().unlink()
    assert [digest(text) for text in TEXTS] != first


def test_of_several_who_make_the_key_at_once_all_have_the_same() -> None:
    with ThreadPoolExecutor(16) as pool:
        assert len(set(pool.map(digest, ["same"] * 64))) == 1


def blocked(text: str) -> str:
    def judge(texts: object, policy: object) -> list[Verdict]:
        return [Verdict("block", "toxic", 0.93, 0.8, "judge-1")]

    given = PromptSet("mine", "1", "", "", "abc", (Prompt("1", text),))
    return admit(judge, given, BLOCK)[0].prompts[0].invalid or ""


def test_a_blocked_prompt_says_it_and_the_command_finds_it() -> None:
    said = blocked(TEXT)
    assert said.endswith(
        f"toxic 0.93, the limit is 0.80 (judge-1); its 10 characters were not stored, hash {digest(TEXT)}."
    )
    assert blocked("rude words") != said
    found = CliRunner().invoke(app, ["hash", "-"], input=f"{TEXT}\n")
    assert found.stdout == f"{digest(TEXT)}\n"
    assert CliRunner().invoke(app, ["hash", TEXT]).stdout == found.stdout


def test_where_no_key_can_be_kept_the_text_is_withheld_all_the_same(cache: Path) -> None:
    cache.write_text("a file where the folder would be")
    said = blocked("rude words")
    assert said.endswith(")."), said
    assert f"not stored, nor a hash: {key_file()} cannot be kept (" in said
    assert "rude" not in said

"""Chips, words, candidates and confidence: the numbers drawn are the numbers measured."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from headscope.dashboard.figures.confidence import MOST_LABELS, confidence_figure, confidence_info, token_axis
from headscope.dashboard.figures.theme import SIGNED_STOPS, UNSIGNED_STOPS
from headscope.dashboard.pages.run.tokens import all_candidates, candidates, largest, token_view
from headscope.dashboard.plain_json import plain
from headscope.dashboard.text import short
from tests.run_samples import PATH, SALIENCY, SHARES, TEXT, TOKENS, T, attributions, full, trace


def test_chips_carry_each_tokens_own_numbers_and_rebuild_the_text() -> None:
    view = token_view(trace(), attributions())
    assert "".join(chip.text for chip in view.tokens) == TEXT
    assert "".join(chip.text for chip in view.words) == TEXT
    assert [TEXT[chip.start : chip.end] for chip in view.tokens] == list(TOKENS)
    assert np.isnan(view.tokens[0].surprisal)
    assert view.tokens[0].rank is None
    assert [chip.surprisal for chip in view.tokens[1:]] == pytest.approx(list(range(1, T)), rel=1e-6)
    assert [chip.entropy for chip in view.tokens[1:]] == pytest.approx([t + 0.5 for t in range(1, T)], rel=1e-6)
    assert [chip.scores["input_x_gradient"] for chip in view.tokens] == SHARES
    assert [chip.scores["saliency"] for chip in view.tokens] == SALIENCY


def test_words_sum_their_tokens_and_one_unmeasured_part_makes_the_word_unmeasured() -> None:
    words = token_view(trace(), attributions()).words
    assert [(word.text, word.index, word.count) for word in words] == [
        ("The", 0, 1), (" cat", 1, 1), ("  saw", 2, 2), (" 🦊", 4, 2), ("\nrun", 6, 2)]  # fmt: skip
    assert words[2].surprisal == pytest.approx(2 + 3, rel=1e-6)
    assert words[2].logprob == pytest.approx(-5 * np.log(2), rel=1e-6)
    assert words[2].rank is None
    assert words[2].entropy == pytest.approx(2.5, rel=1e-6)
    assert words[2].scores["input_x_gradient"] == SHARES[2] + SHARES[3]
    assert words[3].ids == (14, 15)
    held = replace(attributions()[1], scores=np.array([1, 2, np.nan, 4, 5, 6, 7, 8], dtype=np.float32))
    assert np.isnan(token_view(trace(), (held,)).words[2].scores["input_x_gradient"])


def test_colourings_leave_out_failed_methods_and_scale_to_the_largest_size() -> None:
    view = token_view(trace(), attributions())
    by_key = {colouring.key: colouring for colouring in view.colourings}
    assert list(by_key) == ["surprisal", "entropy", "saliency", "input_x_gradient", "integrated_gradients"]
    assert by_key["surprisal"].limit["token"] == pytest.approx(T - 1, rel=1e-6)
    assert by_key["surprisal"].limit["word"] == pytest.approx(6 + 7, rel=1e-6)
    assert by_key["integrated_gradients"].limit["token"] == max(abs(v) for v in PATH[1:])
    assert not by_key["saliency"].signed
    assert by_key["input_x_gradient"].signed


def test_candidates_belong_to_the_position_they_predict() -> None:
    first = candidates(trace(), 1)
    assert [(c.id, c.text, c.rank) for c in first.top] == [(11, " top0", 1), (91, " second", 2)]
    assert first.top[0].roles == ("actual",)
    assert first.extra == ()
    assert first.entropy == pytest.approx(1.5, rel=1e-6)
    assert first.covered == pytest.approx(0.75, rel=1e-6)


def test_an_actual_token_below_the_list_is_added_with_its_own_rank_and_probability() -> None:
    (actual,) = candidates(trace(), 7).extra
    assert (actual.id, actual.text, actual.rank, actual.roles) == (17, "run", 700, ("actual",))
    assert actual.prob == pytest.approx(2.0**-7, rel=1e-6)


def test_next_token_marks_target_and_foil_only_when_they_were_given() -> None:
    target = full().target
    assert target is not None
    last = candidates(trace(), T, target)
    assert last.top[0].roles == ("target",)
    assert [(c.id, c.rank, c.roles) for c in last.extra] == [(77, 812, ("foil",))]
    assert last.extra[0].prob == pytest.approx(1e-4, rel=1e-5)
    assert last.entropy == pytest.approx(3, rel=1e-6)
    predicted = candidates(trace(), T, replace(target, chosen="predicted"))
    assert predicted.extra == ()
    assert not any(c.roles for c in predicted.top)
    assert [item.position for item in all_candidates(trace(), target)] == list(range(1, T + 1))


def test_confidence_figure_draws_the_infos_numbers_and_leaves_the_first_token_out() -> None:
    info = confidence_info(trace())
    figure = confidence_figure(info)
    bars, line, mean = figure.data
    np.testing.assert_array_equal(bars.y, info.surprisal)
    np.testing.assert_array_equal(line.y, info.entropy)
    assert np.isnan(bars.y[0])
    assert info.mean_surprisal == pytest.approx(sum(range(1, T)) / (T - 1), rel=1e-6)
    assert (mean.name, list(mean.y)) == (f"mean surprisal {info.mean_surprisal:.2f}", [info.mean_surprisal] * 2)
    assert list(mean.x) == list(figure.layout.xaxis.range)
    assert list(figure.layout.xaxis.ticktext) == list(info.labels)
    assert figure.layout.yaxis.title.text == "bits"


def test_one_token_alone_has_no_mean_and_many_tokens_no_labels() -> None:
    only = trace()
    cut = replace(only, logprobs=only.logprobs[:1], entropies=only.entropies[:1], ranks=only.ranks[:1],
                  tokens=replace(only.tokens, texts=only.tokens.texts[:1], ids=only.tokens.ids[:1]))  # fmt: skip
    info = confidence_info(cut)
    assert np.isnan(info.mean_surprisal)
    assert len(confidence_figure(info).data) == 2
    assert "ticktext" not in token_axis(("x",) * (MOST_LABELS + 1))


@pytest.mark.parametrize(
    ("text", "label"),
    [(" cat", "cat"), (" ", "␣"), ("\n", "⏎"), ("", "◦"), ("\t ", "⇥␣"), ("extraordinarily", "extraordinari…")],
)
def test_labels_show_no_markers_and_no_invisible_tokens(text: str, label: str) -> None:
    assert short(text) == label


def test_plain_turns_nan_into_null_and_never_into_zero() -> None:
    values = json.loads(json.dumps(plain(token_view(trace(), attributions())), allow_nan=False))
    assert values["tokens"][0]["surprisal"] is None
    assert values["tokens"][0]["scores"]["integrated_gradients"] is None
    assert values["tokens"][5]["scores"]["saliency"] == 0.0
    assert plain(np.array([np.inf, 1.5], dtype=np.float32)) == [None, 1.5]
    assert plain({"n": np.int32(3), "b": np.bool_(True)}) == {"n": 3, "b": True}


def test_largest_ignores_what_was_not_measured() -> None:
    assert largest(np.array([np.nan, -3.0, 2.0])) == 3.0
    assert largest(np.array([np.nan])) == 0.0
    assert largest(np.array([])) == 0.0


def luminance(rgb: tuple[float, ...]) -> float:
    """WCAG 2 relative luminance."""
    linear = [v / 255 / 12.92 if v / 255 <= 0.04045 else ((v / 255 + 0.055) / 1.055) ** 2.4 for v in rgb]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("ramp", [SIGNED_STOPS, UNSIGNED_STOPS], ids=["signed", "unsigned"])
def test_text_on_every_tint_of_both_themes_has_enough_contrast(ramp: dict[str, tuple[str, ...]], theme: str) -> None:
    stops = [tuple(int(stop[i : i + 2], 16) for i in (1, 3, 5)) for stop in ramp[theme]]
    for t in np.linspace(0, len(stops) - 1, 256):
        low, part = min(int(t), len(stops) - 2), t - min(int(t), len(stops) - 2)
        rgb = tuple(a + (b - a) * part for a, b in zip(stops[low], stops[low + 1], strict=True))
        ground = luminance(rgb)
        ink = 0.0 if ground > 0.179 else 1.0  # the rule of headscope.color.ink
        assert (max(ground, ink) + 0.05) / (min(ground, ink) + 0.05) >= 4.5

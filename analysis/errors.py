"""Errors a user may see. Each message says what happened, why, and what to do next."""

from __future__ import annotations

from collections.abc import Iterable


class HeadscopeError(Exception):
    """Base of every error Headscope raises on purpose; the command line prints it without a stack trace."""


class UnknownNameError(HeadscopeError):
    """A name that is in no registry; the message lists the names that are.

    >>> print(UnknownNameError("analysis", "salienc", ["saliency", "heads"]))
    unknown analysis 'salienc': the valid names are heads, saliency
    """

    def __init__(self, kind: str, name: str, valid: Iterable[str], hint: str = "") -> None:
        self.kind, self.name, self.valid, self.hint = kind, name, sorted(valid), hint
        message = f"unknown {kind} {name!r}: the valid names are {', '.join(self.valid) or '(none)'}"
        super().__init__(f"{message}. {hint}" if hint else message)

    def __reduce__(self) -> tuple[type[UnknownNameError], tuple[str, str, list[str], str]]:
        """Crosses process borders whole."""
        return type(self), (self.kind, self.name, self.valid, self.hint)


class NotApplicable(HeadscopeError):  # noqa: N818 - the field's word for it, not a fault
    """A method or probe cannot serve this model or target; carries the reason shown on screen."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class InputError(HeadscopeError):
    """A prompt, file, option or query the user gave cannot be used as it is.

    `kind` is a short stable code stored with a failed run (for example `empty`, `too_long`, `not_utf8`,
    `target_missing`, `target_equals_foil`).
    """

    def __init__(self, message: str, kind: str = "input") -> None:
        self.kind = kind
        super().__init__(message)


class BackendError(HeadscopeError):
    """A model could not be found, loaded or run."""


class StorageError(HeadscopeError):
    """The store could not be opened, read or written."""


class Stopped(BaseException):
    """Raised in the middle of a batch that is not wanted any more. Nothing that keeps one failure from taking the rest
    of a run with it may catch this."""


def message(error: Exception) -> str:
    """What a user reads of any error."""
    return str(error) if isinstance(error, HeadscopeError) else f"{type(error).__name__}: {error}"

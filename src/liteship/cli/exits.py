"""Exit codes: the one table from error family to what a shell sees."""

from __future__ import annotations

import signal
import sys

from liteship import errors

INTERNAL = 1
"""A mistake of liteship's own."""

USAGE = 2
"""The command line could not be parsed."""

CODES: dict[type[errors.LiteshipError], int] = {
    errors.ConfigurationError: 3,
    errors.SourceModelError: 4,
    errors.CalibrationError: 5,
    errors.ConversionError: 6,
    errors.AccuracyError: 7,
    errors.ArtifactError: 8,
    errors.PackagingError: 9,
    errors.LimitError: 10,
    errors.DeploymentError: 11,
    errors.InputError: 12,
    errors.NotReadyError: 13,
}

INTERRUPTED = 130
"""Stopped by Ctrl-C or SIGTERM: 128 + SIGINT, as shells count."""


def end_on_sigterm() -> None:
    """From now on SIGTERM ends the command as Ctrl-C does: what it started is ended and tidied up."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(INTERRUPTED))


def exit_code(error: errors.LiteshipError) -> int:
    """The code of an error's family."""
    return next((code for family, code in CODES.items() if isinstance(error, family)), INTERNAL)

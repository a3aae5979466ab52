"""The command line: one module a command; each parses, delegates and prints, nothing else."""

from __future__ import annotations

import sys

from liteship.cli.main import run


def main() -> None:
    """The `liteship` program."""
    sys.exit(run(sys.argv[1:]))

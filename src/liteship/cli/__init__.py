"""The command line: one module a command; each parses, delegates and prints, nothing else."""

from __future__ import annotations

import sys

from liteship.cli.exits import INTERRUPTED


def main() -> None:
    """The `liteship` program."""
    try:
        from liteship.cli.main import run  # takes a second, in which Ctrl-C may come
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    sys.exit(run(sys.argv[1:]))

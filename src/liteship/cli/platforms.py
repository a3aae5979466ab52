"""Options that only one platform has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from liteship.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from liteship.cli.options import Platform


def refuse_options(platform: Platform, given: Mapping[str, object]) -> None:
    """Refuses options that the chosen platform does not have.

    Args:
        platform: What `--on` or `--to` says.
        given: Value by option, those of other platforms alone; None, False and empty lists are options
            that were not given.

    Raises:
        ConfigurationError: `option-unused`, with all of them.
    """
    unused = [option for option, value in given.items() if value not in (None, False, [])]
    if unused:
        raise ConfigurationError(
            "option-unused",
            f"{', '.join(unused)}: {platform} has nothing that this could choose",
            hint=f"leave it out, or name the platform that has it with --on or --to; now: {platform}",
        )

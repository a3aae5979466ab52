"""What `liteship render` writes: template.yaml with its makefiles, and `knative/`.

The rendered files are committed: whoever reviews a change sees what will stand in the account and on
the cluster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from liteship.deploy.kubernetes import manifests
from liteship.deploy.sam import template
from liteship.errors import ConfigurationError
from liteship.files import replace_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    Renderer = Callable[[Path], dict[Path, str]]

RENDERERS: tuple[Renderer, ...] = (template.render, manifests.render)


def render(root: Path, renderers: Sequence[Renderer] = RENDERERS) -> dict[Path, str]:
    """What every rendered file should hold, text by path.

    Args:
        root: The project's folder.
        renderers: Which files: the stack's, the cluster's, or both.

    Raises:
        ConfigurationError: As `template.render` and `manifests.render`.
    """
    return {path: text for renderer in renderers for path, text in renderer(root).items()}


def drifted(root: Path, renderers: Sequence[Renderer] = RENDERERS) -> list[Path]:
    """The rendered files that are not what `render` gives; see there for errors."""
    return _differing(render(root, renderers))


def require_rendered(root: Path, renderers: Sequence[Renderer] = RENDERERS) -> None:
    """Refuses rendered files that a `function.toml` has left behind, or that were edited by hand.

    Raises:
        ConfigurationError: `template-drift`, with every such file; and as `render`.
    """
    if paths := drifted(root, renderers):
        raise ConfigurationError(
            "template-drift",
            "the functions' function.toml and the rendered files say different things",
            problems=[f"{path.relative_to(root)} is not what function.toml says" for path in paths],
            hint="run: liteship render, and look at the difference",
        )


def write(root: Path, renderers: Sequence[Renderer] = RENDERERS) -> list[Path]:
    """Writes every rendered file that differs; see `render` for errors.

    Returns:
        The files written.
    """
    texts = render(root, renderers)
    stale = _differing(texts)
    for path in stale:
        replace_file(path, texts[path].encode())
    return stale


def _differing(texts: dict[Path, str]) -> list[Path]:
    return [
        path
        for path, text in texts.items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]

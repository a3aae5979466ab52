"""`liteship render`: template.yaml with its makefiles, and the manifests in knative/."""

from __future__ import annotations

from typing import Annotated

import typer

from liteship.cli.output import Json, print_json, print_line
from liteship.deploy.rendering import render, require_rendered, write
from liteship.project import find_root


def command(
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail on any difference.")
    ] = False,
    json: Json = False,
) -> None:
    """Render template.yaml, its makefiles and knative/ from every functions/NAME/function.toml.

    Examples:
        liteship render

        liteship render --check
    """
    root = find_root()
    if check:
        require_rendered(root)
    written = [] if check else write(root)
    files = [str(path.relative_to(root)) for path in render(root)]
    changed = [str(path.relative_to(root)) for path in written]
    if json:
        print_json({"files": files, "written": changed})
    else:
        said = f"written: {', '.join(changed)}" if changed else "all up to date"
        print_line(f"{len(files)} files, {said}")

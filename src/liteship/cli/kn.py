"""`liteship kn`: the kn command for a function's Service."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from liteship.cli.output import Json, print_json, print_whole
from liteship.deploy.kubernetes.images import IMAGE_UNSET, NO_DIGEST, chosen_image
from liteship.deploy.kubernetes.kn import arguments, missing, script
from liteship.deploy.kubernetes.manifests import service
from liteship.project import load_function


def command(
    name: Annotated[str, typer.Argument(help="The function.")],
    image: Annotated[
        str | None,
        typer.Option("--image", help="Its image, by digest; by default what knative/images says."),
    ] = None,
    update: Annotated[bool, typer.Option("--update", help="Change the Service that is there.")] = False,
    json: Json = False,
) -> None:
    """Print the kn command that makes or changes a function's Knative Service.

    Examples:
        liteship kn digits

        liteship kn digits --update --image registry.example.com/digits:v2
    """
    function = load_function(name)
    image = chosen_image(function.root, name, image)
    manifest = service(function.config, image)
    words = arguments(manifest, update=update)
    gaps = missing(manifest)
    if json:
        print_json({"arguments": words, "missing": [asdict(gap) for gap in gaps]})
        return
    lines = [f"# kn has no flag for these fields of knative/base/{name}/service.yaml:"]
    lines += [f"#   {gap.field}: {_yaml(gap.value)}\n#     without it, {gap.instead}" for gap in gaps]
    lines += [f"# All of it: kubectl apply -k knative/ -l app.kubernetes.io/name={name}"]
    if update:
        lines += ["# Variables that function.toml no longer has stay: unset each with --env NAME-"]
    if image.endswith(NO_DIGEST):
        lines += [f"# {IMAGE_UNSET}"]
    print_whole("\n".join([*lines, script(words)]))


def _yaml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)

"""`liteship package`: the function's zip files or its image, and the size gate."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from liteship.cli.delivery import deliver, require_deliverable
from liteship.cli.exits import end_on_sigterm
from liteship.cli.output import Json, console, print_json, print_table, stderr
from liteship.packaging.image import package_image
from liteship.packaging.limits import check_image_limits, check_limits, require_limits
from liteship.packaging.loading import Loader
from liteship.packaging.package import package_zip
from liteship.packaging.sbom import package_image_sbom
from liteship.project import load_function

if TYPE_CHECKING:
    from collections.abc import Sequence

    from liteship.packaging.image import ImagePackage
    from liteship.packaging.limits import LimitCheck
    from liteship.packaging.package import Package


def command(
    name: Annotated[str, typer.Argument(help="The function, a folder in functions/.")],
    form: Annotated[
        Literal["zip", "image"] | None,
        typer.Option("--as", help="What to build; by default what function.toml says."),
    ] = None,
    python: Annotated[str | None, typer.Option(help="Zip: Python version to pack for.")] = None,
    base_image: Annotated[
        str | None, typer.Option(help="Image: what it runs on; AWS' image by default.")
    ] = None,
    build_image: Annotated[
        str | None, typer.Option(help="Image: what the build runs on; the base image by default.")
    ] = None,
    tag: Annotated[
        str | None, typer.Option(help="Image: repository:tag; liteship/NAME:vVERSION by default.")
    ] = None,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Image: build every step again.")
    ] = False,
    push: Annotated[
        bool, typer.Option("--push", help="Image: push it, and note its digest in knative/images.")
    ] = False,
    load: Annotated[
        Loader | None,
        typer.Option(help="Image: load it onto the nodes of a cluster here, and note its name there."),
    ] = None,
    json: Json = False,
) -> None:
    """Build a function's zip files into build/NAME, or its image, and check Lambda's limits.

    With --push or --load a cluster can run the image, and the manifests in knative/ name it.

    Examples:
        liteship package digits

        liteship package digits --as zip --python 3.14 --json

        liteship package digits --as image --tag registry.example.com/digits:v1 --push

        liteship package digits --as image --tag dev.local/digits:v1 --load kind
    """
    function = load_function(name)
    form = form or function.config.lambda_.package
    given = {
        "image": {
            "--base-image": base_image,
            "--build-image": build_image,
            "--tag": tag,
            "--push": "" if push else None,
            "--load": load,
        },
        "zip": {"--python": python},
    }
    given["image"]["--no-cache"] = "" if no_cache else None
    for option, value in given["zip" if form == "image" else "image"].items():
        if value is not None:
            msg = f"does not go with --as {form}"
            raise typer.BadParameter(msg, param_hint=option)
    if form == "image":
        require_deliverable(function, tag, push=push, load=load)
        end_on_sigterm()  # as Ctrl-C: tidy up first
        with stderr.status("building the image"):
            image = package_image(
                function, base_image=base_image, build_image=build_image, tag=tag, no_cache=no_cache
            )
            sbom = package_image_sbom(function, base_image)
        checks = check_image_limits(function, image)
        fields = image_fields(image) | {"sbom": str(sbom)}
        print_built = partial(print_image, image)
    else:
        with stderr.status("building layers and bundle"):
            package = package_zip(function, python=python)
        checks = check_limits(function, package)
        fields, print_built = package_fields(package), partial(print_package, package)
    fields |= {"form": form, "limits": [limit_fields(each) for each in checks]}
    if not json:
        print_built()
        print_limits(checks)
    if (push or load) and all(check.ok for check in checks):
        fields |= deliver(function, image.reference, load=load, quiet=json)
    if json:
        print_json(fields)
    require_limits(checks)


def image_fields(image: ImagePackage) -> dict[str, Any]:
    """An image as JSON-ready fields."""
    return asdict(image) | {"layers": [asdict(layer) for layer in image.layers]}


def print_image(image: ImagePackage) -> None:
    """Prints an image's layers with their sizes, what each holds and whether it is new."""
    print_table(
        f"{image.reference} for Python {image.python} on {image.architecture}",
        ("layer", "bytes", "holds", "since the last build"),
        [
            (
                layer.digest.removeprefix("sha256:")[:12],
                layer.size_bytes,
                layer.holds,
                "changed" if layer.changed else "the same",
            )
            for layer in image.layers
        ],
    )
    changed_bytes = sum(layer.size_bytes for layer in image.layers if layer.changed)
    console.print(
        f"{image.digest}: {image.size_bytes:,} bytes, {changed_bytes:,} of them changed",
        highlight=False,
        soft_wrap=True,
    )


def package_fields(package: Package) -> dict[str, Any]:
    """A package as JSON-ready fields."""
    return {
        "name": package.name,
        "python": package.python,
        "architecture": package.architecture,
        "has_byte_code": package.has_byte_code,
        "parts": [
            {
                "name": part.name,
                "path": str(part.path),
                "zipped_bytes": part.zipped_bytes,
                "unzipped_bytes": part.unzipped_bytes,
            }
            for part in package.parts
        ],
        "sbom": str(package.sbom),
    }


def limit_fields(check: LimitCheck) -> dict[str, Any]:
    """A limit as JSON-ready fields."""
    fields: dict[str, Any] = {"name": check.name, "value": check.value, "limit": check.limit}
    return fields | {"unit": check.unit, "ok": check.ok} | ({} if check.ok else {"hint": check.hint})


def print_package(package: Package) -> None:
    """Prints the parts of a package with their sizes and contents."""
    print_table(
        f"{package.name} for Python {package.python} on {package.architecture}",
        ("part", "zipped bytes", "unzipped bytes", "holds"),
        [
            (
                part.name,
                part.zipped_bytes,
                part.unzipped_bytes,
                ", ".join(f"{each.name} {each.zipped_bytes:,}" for each in part.contents),
            )
            for part in package.parts
        ],
    )

    if not package.has_byte_code:
        console.print(
            f"Packed by another Python than {package.python}: without byte code, so Lambda compiles "
            "the sources at every cold start. The image has it, and so has what "
            "[bold]sam build --use-container[/bold] packs.",
            highlight=False,
        )


def print_limits(checks: Sequence[LimitCheck]) -> None:
    """Prints the size gate's table."""
    print_table(
        "Lambda's limits",
        ("limit", "value", "allowed", "unit", ""),
        [(each.name, each.value, each.limit, each.unit, each.ok) for each in checks],
    )

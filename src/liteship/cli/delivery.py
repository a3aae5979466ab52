"""What `liteship package --push` and `--load` do once the image is built."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from liteship.cli.output import console, progress_bars, stderr
from liteship.deploy.kubernetes import manifests
from liteship.deploy.kubernetes.images import images_path, set_image
from liteship.deploy.rendering import write
from liteship.errors import ConfigurationError
from liteship.packaging.image_inputs import checked_reference
from liteship.packaging.loading import load_onto_nodes, require_loadable
from liteship.packaging.pushing import STAGES, push_image, registry_of
from liteship.project import load_functions

if TYPE_CHECKING:
    from liteship.packaging.loading import Loader
    from liteship.project import FunctionFolder


def require_deliverable(
    function: FunctionFolder, tag: str | None, *, push: bool, load: Loader | None
) -> None:
    """Refuses what would fail after a minute of building.

    Args:
        function: What is to be built.
        tag: The image's `repository:tag`, as given.
        push: Whether it goes to a registry.
        load: What loads it onto nodes instead.

    Raises:
        ConfigurationError: `delivery-choice`, `delivery-tag`, `image-tag`; and as rendering.
        PackagingError: As `registry_of` and `require_loadable`.
    """
    if not push and load is None:
        return
    if push and load is not None:
        raise ConfigurationError(
            "delivery-choice",
            "--push and --load are two ways to a cluster",
            hint="give one of them: a cluster on this machine needs no registry",
        )
    name, version = function.config.name, function.config.version
    if tag is None:
        host = "dev.local" if load else "registry.example.com"
        raise ConfigurationError(
            "delivery-tag",
            "the cluster has to be told the image's name",
            expected="--tag with the registry in it" if push else "--tag dev.local/NAME:TAG",
            hint=f"for instance: --tag {host}/{name}:v{version}",
        )
    reference = checked_reference(tag)
    if load is None:
        registry_of(reference)
    else:
        require_loadable(reference, load)
    manifests.render(function.root)  # what is invalid is said now


def deliver(
    function: FunctionFolder, reference: str, *, load: Loader | None, quiet: bool
) -> dict[str, Any]:
    """Brings an image to where a cluster finds it, and makes knative/ name it.

    Args:
        function: What was built.
        reference: Its local image, `repository:tag`.
        load: What loads it onto nodes; None pushes it.
        quiet: Print nothing.

    Returns:
        JSON-ready: `image` as the cluster is to name it, `revision`, and the files `written`.

    Raises:
        PackagingError: As `push_image` and `load_onto_nodes`.
        ConfigurationError: As rendering.
    """
    if load is None:
        with progress_bars(STAGES, quiet=quiet) as report:
            digest = push_image(reference, report)
        image = f"{reference.rpartition(':')[0]}@{digest}"
    else:
        with stderr.status(f"loading the image by {load}"):
            load_onto_nodes(reference, load)
        image = reference
    root, config = function.root, function.config
    names = [each.config.name for each in load_functions(root)]
    noted = set_image(root, names, config.name, image)
    # Also where nothing was noted: an attempt that was interrupted here is completed
    paths = ([images_path(root)] if noted else []) + write(root, (manifests.render,))
    written = [str(path.relative_to(root)) for path in paths]
    # As the manifest in knative/base says it: its image is the function's name there
    revision = manifests.revision_name(config, image)
    if not quiet:
        _tell(config.name, image, revision, written, loaded=load is not None)
    return {"image": image, "revision": revision, "written": written}


def _tell(name: str, image: str, revision: str, written: list[str], *, loaded: bool) -> None:
    lines = [f"the image is {image}"]
    if written:
        lines += [f"written: {', '.join(written)}", f"its Revision is {revision}"]
        lines += [f"next: liteship deploy {name} --to knative"]
    else:
        lines += [f"knative/ names it already; its Revision is {revision}"]
        if loaded:
            lines += ["what runs keeps the image that it has: give another --tag for a new Revision"]
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True)

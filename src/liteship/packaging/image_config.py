"""An image's configuration: where its base image ends, and what of it is not left to chance.

Its fields: https://github.com/opencontainers/image-spec/blob/main/config.md.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

from liteship.errors import PackagingError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MARKER = "LABEL liteship.dockerfile="
"""The first instruction of functions/Dockerfile's last stage: what follows it in an image's history is
not the base image's."""

_RUN_FIELDS = frozenset(
    {
        *("User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels"),
        *("StopSignal", "OnBuild", "Healthcheck", "Shell"),
    }
)
"""How to run the image. What Docker writes beside them is about the build: host name, container id."""


def count_base_layers(config: Mapping[str, Any]) -> int:
    """How many of an image's layers its base image brought.

    Counted from the top: a base image's own history may leave layers out, the builder's does not.

    Raises:
        PackagingError: `image-foreign` for an image that functions/Dockerfile did not build.
    """
    _, own = _split_history(config)
    return len(config["rootfs"]["diff_ids"]) - sum(not each.get("empty_layer") for each in own)


def rewrite_config(
    config: Mapping[str, Any],
    digests: Sequence[str],
    own_layers: Sequence[str],
    labels: Mapping[str, str],
    created_s: int,
) -> bytes:
    """The configuration as a function of what the image holds.

    Args:
        config: As the builder wrote it.
        digests: Of all layers, from the bottom up.
        own_layers: What each layer above the base image's holds.
        labels: Set over what is there.
        created_s: Seconds since 1970.

    Raises:
        PackagingError: `image-foreign`.
    """
    created = dt.datetime.fromtimestamp(created_s, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    run = {key: value for key, value in config["config"].items() if key in _RUN_FIELDS and value}
    run["Labels"] = {**run.get("Labels", {}), **labels}
    base_history, _ = _split_history(config)
    # An instruction's own text differs with the builder, and holds digests that its files do not have
    own_history = [
        {"created": created, "created_by": f"{MARKER}1", "empty_layer": True},
        *({"created": created, "created_by": f"liteship package: {holds}"} for holds in own_layers),
    ]
    rewritten = {
        **{key: config[key] for key in ("architecture", "variant", "os") if config.get(key)},
        "created": created,
        "config": run,
        "rootfs": {"type": "layers", "diff_ids": list(digests)},
        "history": [*base_history, *own_history],
    }
    return json.dumps(rewritten, sort_keys=True, separators=(",", ":")).encode()


def _split_history(config: Mapping[str, Any]) -> tuple[list[Any], list[Any]]:
    """The base image's history, and what comes after the marker."""
    history = config.get("history") or []
    marked = [index for index, each in enumerate(history) if MARKER in each.get("created_by", "")]
    if not marked:
        raise PackagingError(
            "image-foreign",
            "the image's history does not tell its own layers from its base image's",
            expected=f"an instruction {MARKER}…, as functions/Dockerfile has it",
            hint="build the image with liteship package NAME --as image, without squashing it",
        )
    return history[: marked[-1]], history[marked[-1] + 1 :]

"""The platforms of `--on` and `--to`: options that only one has, the cluster, a hint at the other."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from liteship.deploy.kubernetes.api.cluster import Cluster
from liteship.deploy.kubernetes.rollout.preparation import require_namespace_name
from liteship.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from liteship.cli.options import Platform
    from liteship.errors import LiteshipError

NOT_ON_LAMBDA = {
    "credentials-missing",
    "credentials-expired",
    "region-missing",
    "stack-missing",
    "function-not-deployed",
}
"""What Lambda's commands say where the function may be on a cluster instead."""

WITH_ON = {"versions", "traffic", "promote", "rollback", "logs", "invoke", "delete"}
"""Commands whose `--on` is Lambda by default."""


def refuse_options(platform: Platform, given: Mapping[str, object]) -> None:
    """Refuses options that the chosen platform does not have.

    Args:
        platform: What `--on` or `--to` says.
        given: Value by option, those of other platforms alone; None and False are options that were
            not given.

    Raises:
        ConfigurationError: `option-unused`, with all of them.
    """
    # Not by equality: 0 is a value
    unused = [key for key, value in given.items() if value is not None and value is not False]
    if unused:
        raise ConfigurationError(
            "option-unused",
            f"{', '.join(unused)}: {platform} has nothing that this could choose",
            hint=f"leave it out, or name the platform that has it with --on or --to; now: {platform}",
        )


@contextmanager
def open_cluster(namespace: str | None, context: str | None) -> Iterator[Cluster]:
    """The cluster of `--context`, with the namespace, which has to be there.

    Args:
        namespace: None for kubeconfig's.
        context: None for kubeconfig's current one.

    Raises:
        ConfigurationError: `namespace-invalid`.
        ClusterError: `namespace-missing`, and see `liteship.deploy.kubernetes.api.refusals`.
    """
    require_namespace_name(namespace)
    with Cluster(namespace=namespace, context=context) as cluster:
        cluster.require_namespace()
        yield cluster


def place(namespace: str | None, context: str | None) -> str:
    """The same options for the next command, with a blank before each."""
    given = {"--namespace": namespace, "--context": context}
    return "".join(f" {option} {value}" for option, value in given.items() if value is not None)


def with_cluster_hint(error: LiteshipError, arguments: Sequence[str]) -> LiteshipError:
    """The error, with `--on knative` as a next step where that may have been meant.

    Args:
        error: What ended the command.
        arguments: The command line.
    """
    named = any(each.startswith("--on") for each in arguments)
    lambdas = not named and arguments[0] in WITH_ON and error.reference in NOT_ON_LAMBDA
    if lambdas and _has_kubeconfig():
        error.hint = f"{error.hint}; where it is on a cluster: --on knative or --on kubernetes"
    return error


def _has_kubeconfig() -> bool:
    return bool(os.environ.get("KUBECONFIG")) or (Path.home() / ".kube" / "config").is_file()

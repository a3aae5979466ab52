"""What can be wrong with a kubeconfig, told without showing what is secret in it."""

from __future__ import annotations

import logging
import os
import re
import shutil
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from liteship.deploy.kubernetes.api.refusals import ClusterError
from liteship.deploy.kubernetes.api.statuses import shorten

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def plugin_failed(plugin: Mapping[str, Any], context: str, said: str) -> ClusterError:
    """A credentials plugin gave none.

    Args:
        plugin: The user's `exec` in kubeconfig.
        context: That needs it.
        said: By the plugin, or about it.
    """
    command = str(plugin.get("command"))
    if shutil.which(command) is None and os.sep not in command:
        return ClusterError(
            0,
            "",
            "kubeconfig-invalid",
            f"the context {context} needs {command} for its credentials, which is not installed",
            hint=str(plugin.get("installHint") or f"install {command}, and have it on PATH"),
        )
    return ClusterError(
        0,
        "",
        "cluster-unauthorized",
        f"{command} gave no credentials for the context {context}",
        received=shorten(said) or "nothing",
        hint="log in as it says, and try again",
    )


def invalid(where: str, what: str, hint: str) -> ClusterError:
    """A kubeconfig that cannot be used."""
    return ClusterError(0, "", "kubeconfig-invalid", f"{where} cannot be used: {what}", hint=hint)


@contextmanager
def explained(where: str) -> Iterator[None]:
    """Everything that kubernetes, or our own reading, raises at a file that is no kubeconfig."""
    import yaml
    from kubernetes.config import ConfigException

    hint = "correct it; kubectl config view shows what kubectl reads"
    try:
        with silent():
            yield
    except ClusterError:
        raise
    except yaml.YAMLError as error:
        # Not the error's own text, which quotes lines: they may hold credentials
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        what = getattr(error, "problem", None) or "characters that YAML does not allow"
        raise invalid(where, f"it is no YAML: {what}{line}", hint) from None
    except OSError as error:
        named = f"{error.filename}: " if error.filename else ""
        raise invalid(where, f"{named}{error.strerror or error}", hint) from error
    except ConfigException as error:
        # Its texts go on with the whole entry, keys and tokens included
        said = re.sub(r"[/\s]*\{.*", " …", str(error), flags=re.DOTALL)
        raise invalid(where, said, hint) from None
    except Exception as error:  # noqa: BLE001  # kubernetes reads it unchecked, and may log in
        raise invalid(where, f"it is no kubeconfig ({type(error).__name__})", hint) from None


class _Complaints(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


@contextmanager
def logged() -> Iterator[list[str]]:
    """Catches what kubernetes logs: why a credentials plugin failed is told nowhere else."""
    root = logging.getLogger()
    before = root.handlers[:]
    complaints = _Complaints()
    root.handlers[:] = [complaints]
    try:
        yield complaints.said
    finally:
        root.handlers[:] = before


@contextmanager
def silent() -> Iterator[None]:
    """Without warnings: whoever reads them here cannot mend kubernetes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield

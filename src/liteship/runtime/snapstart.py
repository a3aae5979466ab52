"""SnapStart: what is done before Lambda takes a snapshot, and after it restores one.

Imported only where Lambda is about to take one. `snapshot_restore_py` is part of Lambda's Python
runtimes and of its runtime client
(https://docs.aws.amazon.com/lambda/latest/dg/snapstart-runtime-hooks-python.html).
"""

from __future__ import annotations

import importlib
import random

from snapshot_restore_py import register_after_restore, register_before_snapshot

from liteship.runtime.golden import golden_request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from liteship.runtime.function import Function


def register_hooks(function: Function, environ: Mapping[str, str]) -> None:
    """Registers the two hooks of one function.

    Args:
        function: The function, which may be half made still: the hooks run later.
        environ: Says whether the function is to answer uploads.
    """
    register_before_snapshot(prepare, function, answers_uploads="LITESHIP_S3_INPUT_PREFIX" in environ)
    register_after_restore(refresh, function)


def prepare(function: Function, *, answers_uploads: bool) -> None:
    """Before the snapshot: does once whatever the first event of each instance would have to do.

    Raises:
        NotReadyError: The model is not loaded, and would not be in any instance. Lambda then takes no
            snapshot, and the new version gets no traffic.
    """
    predictor = function.require_predictor()
    for name in _modules_of_first_event(predictor.manifest.preprocessing.kind, answers_uploads):
        importlib.import_module(name)
    predictor.warm_up()
    if not predictor.hooks:  # which may not take the golden input, and may count what they see
        predictor.predict(*golden_request(predictor.artifact))


def refresh(function: Function) -> None:
    """After a restore: nothing that must be this instance's own stays as the snapshot had it."""
    random.seed()  # from the operating system
    function.forget_clients()


def _modules_of_first_event(input_kind: str, answers_uploads: bool) -> list[str]:
    names = ["liteship.runtime.lambda_handler", "liteship.runtime.codecs.json_request"]
    if input_kind == "image":
        from liteship.runtime.codecs.image import FORMATS

        names += [f"PIL.{image_format.module}" for image_format in FORMATS.values()]
    if answers_uploads:
        triggers = "liteship.runtime.triggers"
        names += [f"{triggers}.{source}" for source in ("s3", "sqs", "eventbridge")]
        names += ["botocore.session", "botocore.config"]
    return names

"""A function at run time: settings, telemetry, the loaded model, and the two ways in."""

from __future__ import annotations

import os
import time
from functools import cached_property, partial

from liteship.artifact.folder import Artifact
from liteship.errors import LiteshipError, NotReadyError
from liteship.runtime.predictor import Predictor
from liteship.runtime.served import Served
from liteship.runtime.settings import MODEL_FOLDER, S3, Settings
from liteship.runtime.telemetry import create_telemetry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from fastapi import FastAPI
    from mangum import Mangum

    from liteship.runtime.asgi import AsgiApplication
    from liteship.runtime.pipeline import Pipeline
    from liteship.runtime.predictor import Postprocess, Preprocess
    from liteship.runtime.telemetry import Handler

RETRY_S = 5.0
"""Until a model that is not in the package is tried again: its volume or S3 may come back. Each wait is
twice as long as the one before."""

MOST_RETRY_S = 60.0
"""A model that stays wrong would else be downloaded 17,000 times a day, and logged as often."""

PATIENT_S = 600.0
"""For a download while the HTTP server answers already: as long as Knative waits for a new Revision
(https://knative.dev/docs/serving/configuration/deployment/#progress-deadlines)."""


class Function:
    """What `app.py` creates once, at start.

        handler = Function(__file__)

    It loads the artifact in the folder `model` beside the file, or where `LITESHIP_MODEL` says, runs
    the self-test, and is then both the Lambda handler (`handler(event, context)`) and the ASGI
    application (`handler.asgi`).

    Args:
        home: The `__file__` of the function's `app.py`.
        preprocess: Replaces the manifest's preprocessing.
        postprocess: Replaces the manifest's postprocessing.
        extend: Adds routes of its own to the FastAPI application; called when that is first needed.
        environ: Settings; the process's environment by default.

    Attributes:
        models: What it serves, where `LITESHIP_MODELS` says that it is several models: its own, which
            is loaded at start and stays, and others beside. None where it has one model.
        is_server: Whether it answers as an HTTP server, in one process that every caller reaches.

    A model that cannot be loaded, or answers its golden input wrongly, does not end the process:
    every request then gets a 503 that says why, and readiness stays false. What is in the package
    stays as it is; where `LITESHIP_MODEL` names another place, it is tried again after `RETRY_S`, and
    then more and more seldom.
    """

    def __init__(
        self,
        home: str,
        *,
        preprocess: Preprocess | None = None,
        postprocess: Postprocess | None = None,
        extend: Callable[[FastAPI], None] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        environ = os.environ if environ is None else environ
        self.settings = Settings(environ)
        self.telemetry = create_telemetry(
            self.settings.observability, environ, self.settings.low_confidence
        )
        self.extend = extend
        self._predictor: Predictor | None = None
        self._failure: LiteshipError | None = None
        self._failed_s = 0.0
        self._retry_s = RETRY_S
        if environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
            from liteship.runtime.snapstart import register_hooks

            register_hooks(self, environ)
        self.is_server = False
        self._home = os.path.dirname(os.path.abspath(home))
        self._make_predictor = partial(
            Predictor,
            backend=self.settings.backend,
            max_pixels=self.settings.max_pixels,
            max_batch=self.settings.max_batch,
            batching=self.settings.batching,
            threads=self.settings.threads,
            workers=self.settings.workers,
            preprocess=preprocess,
            postprocess=postprocess,
        )
        models = None
        if self.settings.models is not None:
            from liteship.runtime.models import Models

            folder = os.path.join(self._home, MODEL_FOLDER)
            models = Models(folder, self.settings.models, self._make_predictor, self.telemetry)
            models.add(self.settings.models.name, self.settings.models.version, self.require_predictor)
        self.served = Served(self.settings, self.require_predictor, models)
        self._load()

    def _load(self, download_s: float | None = None) -> None:
        """Loads the model, or keeps why it cannot be loaded."""
        start = time.perf_counter()
        try:
            artifact, folder = self._read_artifact(download_s)
            predictor = self._make_predictor(artifact)
            if os.uname().machine == "aarch64":
                from liteship.runtime.cpu import require_cpu_info

                require_cpu_info(folder, self.settings.backend)
            predictor.warm_up()
            self._predictor = predictor
            if self.served.default_pipeline:
                self.predictor_for()
        except LiteshipError as error:
            self._predictor = None
            self._failure, self._failed_s = error, time.monotonic()
            self.telemetry.error("model not ready", **error.as_dict())
            return
        self.telemetry.info(
            "model ready",
            model=predictor.manifest.name,
            version=predictor.manifest.version,
            load_ms=round((time.perf_counter() - start) * 1e3, 2),
            init_ms=round(process_age_ms(), 2),
        )

    def _read_artifact(self, download_s: float | None) -> tuple[Artifact, str]:
        """The artifact, and the folder that it is in."""
        settings = self.settings
        if settings.model.startswith(S3):
            from liteship.runtime.model_source import DOWNLOAD_S, fetch

            where = settings.model, settings.model_sha256, settings.model_cache
            return fetch(*where, download_s or DOWNLOAD_S)
        folder = settings.model or settings.model_folder(self._home)
        artifact = Artifact.load(folder, settings.model_sha256)
        if settings.models is not None:
            from liteship.runtime.models import require_identity

            require_identity(artifact, folder, settings.models.name, settings.models.version)
        return artifact, folder

    def _can_come_back(self) -> bool:
        return self._predictor is None and bool(self.settings.model)

    def _load_until_ready(self) -> None:
        while self._can_come_back():
            time.sleep(self._retry_s)
            self._load_again(PATIENT_S)

    def _load_again(self, download_s: float | None = None) -> None:
        self._retry_s = min(2 * self._retry_s, MOST_RETRY_S)
        try:
            self._load(download_s)
        except Exception as error:  # noqa: BLE001  # else it would be tried no more
            self._failed_s = time.monotonic()
            self.telemetry.refused(error, 503)

    def require_predictor(self) -> Predictor:
        """The loaded model.

        Raises:
            NotReadyError: `model-not-ready`, with the reason.
        """
        if self._predictor is None:
            failure = self._failure
            # What S3 says names accounts, roles and addresses: for the log, not for every caller
            is_told = failure is not None and not failure.reference.startswith("model-")
            raise NotReadyError(
                failure.reference if failure else "model-not-ready",
                f"the model is not ready: {failure.message if failure else 'not loaded'}",
                expected=failure.expected if failure else None,
                received=failure.received if failure and is_told else None,
                hint=failure.hint if failure else "wait until /health/ready answers 200",
            )
        return self._predictor

    def predictor_for(
        self, name: str = "", *, version: str = "", label: str = ""
    ) -> Predictor | Pipeline:
        """The model or the pipeline that a caller names; see `liteship.runtime.served.Served.find`."""
        return self.served.find(name, version, label)

    def __call__(self, event: object, context: object) -> object:
        """The Lambda handler; see `liteship.runtime.lambda_handler.handle`."""
        # Not in a thread: Lambda lets none run between two events
        if self._can_come_back() and time.monotonic() - self._failed_s >= self._retry_s:
            self._load_again()
        return self._handler(event, context)

    @cached_property
    def asgi(self) -> AsgiApplication:
        """The ASGI application that every HTTP server can run."""
        from liteship.runtime.asgi import AsgiApplication

        if self._can_come_back():
            from threading import Thread

            Thread(target=self._load_until_ready, name="load model", daemon=True).start()
        return AsgiApplication(self)

    @cached_property
    def app(self) -> FastAPI:
        """The FastAPI application, for everything beyond the short list."""
        from liteship.runtime.deferred import collector_at_rest

        with collector_at_rest():
            from liteship.runtime.app import create_app

            return create_app(self)

    @cached_property
    def mangum(self) -> Mangum:
        """The FastAPI application as a Lambda handler of HTTP events."""
        from mangum import Mangum

        application: Any = self.app
        return Mangum(application, lifespan="off")

    @cached_property
    def s3(self) -> Any:
        """The botocore client, made when the first object arrives."""
        from liteship.runtime.deferred import collector_at_rest
        from liteship.runtime.triggers.s3 import create_client

        with collector_at_rest():
            return create_client()

    def forget_clients(self) -> None:
        """Drops what holds credentials and connections; the next object makes it anew."""
        self.__dict__.pop("s3", None)

    @cached_property
    def _handler(self) -> Handler:
        from liteship.runtime.lambda_handler import handle

        return self.telemetry.wrap(partial(handle, self))


def process_age_ms() -> float:
    """Milliseconds since this process was started; 0.0 where /proc does not say."""
    try:
        with open("/proc/self/stat", "rb") as file:
            started_ticks = int(file.read().rpartition(b")")[2].split()[19])
        with open("/proc/uptime", "rb") as file:
            uptime_s = float(file.read().split()[0])
    except (OSError, ValueError, IndexError):
        return 0.0
    return max(uptime_s - started_ticks / os.sysconf("SC_CLK_TCK"), 0.0) * 1e3

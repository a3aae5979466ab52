"""The runtime's settings: environment variables, read and validated once; standard library only."""

from __future__ import annotations

from liteship.errors import ConfigurationError
from liteship.runtime.interpreter import BACKENDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeVar

    from liteship.runtime.models_setting import ModelsSetting
    from liteship.runtime.pipeline_steps import Declaration

    Default = TypeVar("Default", int, None)

MAX_BODY_BYTES = 4 * 1024 * 1024
"""Largest request body by default. Lambda takes 6 MB of JSON, in which a base64 body may hold 4.5 MB
(https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html); the same limit everywhere
makes the answers the same everywhere."""

MAX_OBJECT_BYTES = 32 * 1024 * 1024
"""Largest S3 object by default: held in memory while it is decoded."""

MAX_PIXELS = 12_000_000
"""Largest picture by default, a phone's: a WebP file of that size takes 200 MB while it is decoded, as
`liteship check` measures."""

MAX_BATCH = 256
"""Most items of one request by default. A small body may hold thousands, and nobody waits
for as many."""

MOST_BATCHING = 1024
"""Items of one run: their tensors are held in memory all at once."""

MOST_THREADS = 64
"""Of one run: more than any model here gains from."""

LOW_CONFIDENCE = 0.5
"""A classification whose best score is below this is counted as one of low confidence."""

DRAIN_S = 5
"""Seconds from SIGTERM until the HTTP server stops listening. Kubernetes takes a Pod out of its Service
while it ends the Pod, and does not wait for the one before the other: until every node knows, requests
still arrive (https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination).
On Knative they do not, for its queue-proxy drains before SIGTERM reaches us
(https://github.com/knative/serving/pull/3347): there it only makes a Pod end later."""

MOST_DRAIN_S = 20
"""Leaves requests in flight some time within `server.GRACEFUL_SHUTDOWN_S`."""

OBSERVABILITY = ("lean", "powertools")

MODEL_FOLDER = "model"
"""Beside `app.py`: holds the artifact, or `NAME/VERSION` of several."""

S3 = "s3://"
"""Begins the address of an artifact that is not in a folder."""


class Settings:
    """What a function is told by its environment.

    Args:
        environ: The environment; every variable has a default.

    Attributes:
        backend: `LITESHIP_BACKEND`, one of `interpreter.BACKENDS`.
        max_body_bytes: `LITESHIP_MAX_BODY_BYTES`, for HTTP bodies.
        max_object_bytes: `LITESHIP_MAX_OBJECT_BYTES`, for S3 objects.
        max_pixels: `LITESHIP_MAX_PIXELS`, for pictures.
        max_batch: `LITESHIP_MAX_BATCH`, items of one request.
        batching: `LITESHIP_BATCHING`, most items of one run of the model: 1 for `off`; None for `auto`,
            the default, which is what the artifact says.
        threads: `LITESHIP_THREADS`, that one run of the model is shared among.
        low_confidence: `LITESHIP_LOW_CONFIDENCE`, 0-1: best scores below it are counted.
        observability: `LITESHIP_OBSERVABILITY`, one of `OBSERVABILITY`.
        input_prefix: `LITESHIP_S3_INPUT_PREFIX`; objects below it are answered.
        output_prefix: `LITESHIP_S3_OUTPUT_PREFIX`; results are written below it.
        bucket: `LITESHIP_S3_BUCKET`, the only bucket that the HTTP server takes events of: whoever can
            reach it can send one. Empty for none. On Lambda the function's role says which.
        answers_uploads: Whether `LITESHIP_S3_INPUT_PREFIX` is set, as function.toml does it with
            `[triggers.s3]`: without it the HTTP server takes no events.
        port: `PORT`, for the HTTP server.
        grpc_port: `LITESHIP_GRPC_PORT`, for Open Inference over gRPC beside HTTP; None for none.
        workers: `LITESHIP_WORKERS`, predictions the HTTP server runs at once; None is as many as it
            has CPUs.
        queue: `LITESHIP_QUEUE`, predictions that may wait for a worker, 0 for none; None is the
            server's own default.
        drain_s: `LITESHIP_DRAIN_S`, seconds for which the HTTP server still listens after SIGTERM.
        model: `LITESHIP_MODEL`, where the artifact is: a folder, or `s3://BUCKET/KEY`; empty for the
            folder beside `app.py`.
        model_sha256: `LITESHIP_MODEL_SHA256`, the digest of its `model.json`; empty for any.
        models: `LITESHIP_MODELS`, of a function that has several; None for one model.
        pipelines: `LITESHIP_PIPELINES`, by name; empty for none.
        model_cache: Where an artifact from S3 is kept, below `TMPDIR`.

    Raises:
        ConfigurationError: `environment-invalid`, with every problem found.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._problems: list[str] = []
        self.backend = self._choice("LITESHIP_BACKEND", BACKENDS)
        self.max_body_bytes = self._number("LITESHIP_MAX_BODY_BYTES", MAX_BODY_BYTES)
        self.max_object_bytes = self._number("LITESHIP_MAX_OBJECT_BYTES", MAX_OBJECT_BYTES)
        self.max_pixels = self._number("LITESHIP_MAX_PIXELS", MAX_PIXELS)
        self.max_batch = self._number("LITESHIP_MAX_BATCH", MAX_BATCH)
        self.batching = self._read_batching("LITESHIP_BATCHING")
        self.threads = self._number("LITESHIP_THREADS", 1, greatest=MOST_THREADS)
        self.low_confidence = self._share("LITESHIP_LOW_CONFIDENCE", LOW_CONFIDENCE)
        self.observability = self._choice("LITESHIP_OBSERVABILITY", OBSERVABILITY)
        self.input_prefix = environ.get("LITESHIP_S3_INPUT_PREFIX", "incoming/")
        self.output_prefix = environ.get("LITESHIP_S3_OUTPUT_PREFIX", "results/")
        self.bucket = environ.get("LITESHIP_S3_BUCKET", "")
        self.answers_uploads = "LITESHIP_S3_INPUT_PREFIX" in environ
        self.port = self._number("PORT", 8080, greatest=65_535)
        self.grpc_port = self._number("LITESHIP_GRPC_PORT", None, least=0, greatest=65_535)
        self.workers = self._number("LITESHIP_WORKERS", None)
        self.queue = self._number("LITESHIP_QUEUE", None, least=0)
        self.drain_s = self._number("LITESHIP_DRAIN_S", DRAIN_S, least=0, greatest=MOST_DRAIN_S)
        self.model = environ.get("LITESHIP_MODEL", "")
        self.model_sha256 = environ.get("LITESHIP_MODEL_SHA256", "")
        # What is found there is verified
        self.model_cache = f"{environ.get('TMPDIR') or '/tmp'}/liteship/models"  # noqa: S108
        self.pipelines = self._pipelines("LITESHIP_PIPELINES")
        self._check_model()
        self.models = self._read_models()
        if self.answers_uploads or self.model.startswith(S3):
            self._check_credentials()
        if prefixes_overlap(self.input_prefix, self.output_prefix):
            self._problems.append(
                f"LITESHIP_S3_INPUT_PREFIX {self.input_prefix!r} and LITESHIP_S3_OUTPUT_PREFIX "
                f"{self.output_prefix!r} overlap: every result would be an input"
            )
        if self._problems:
            raise ConfigurationError(
                "environment-invalid",
                "the environment variables cannot be used",
                problems=self._problems,
                hint="correct function.toml and deploy again",
            )

    def model_folder(self, home: str) -> str:
        """Where the function's own artifact lies.

        Args:
            home: The folder with `app.py`.
        """
        folder = f"{home}/{MODEL_FOLDER}"
        return f"{folder}/{self.models.name}/{self.models.version}" if self.models else folder

    def _read_models(self) -> ModelsSetting | None:
        text = self._environ.get("LITESHIP_MODELS", "")
        if not text:
            return None
        from liteship.runtime.models_setting import read_models_setting

        if self.model:
            self._problems.append("LITESHIP_MODELS: not together with LITESHIP_MODEL")
        return read_models_setting(text, self._problems)

    def _check_model(self) -> None:
        place, sha256 = self.model, self.model_sha256
        bucket, _, key = place.removeprefix(S3).partition("/")
        if place and not (bucket and key.strip("/") if place.startswith(S3) else place[0] == "/"):
            self._problems.append(
                f"LITESHIP_MODEL: expected s3://BUCKET/KEY or a whole path, received {place!r:.60}"
            )
        if sha256 and not (len(sha256) == 64 and set(sha256) <= set("0123456789abcdef")):
            self._problems.append(
                f"LITESHIP_MODEL_SHA256: expected 64 hexadecimal digits, received {sha256!r:.80}"
            )
        if place.startswith(S3) and not sha256:
            self._problems.append(
                "LITESHIP_MODEL_SHA256: missing; what comes from S3 is loaded by its digest alone"
            )

    def _check_credentials(self) -> None:
        """A Secret's value may end with a line break, as files do: botocore's error would quote it."""
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            text = self._environ.get(name, "")
            if text != text.strip() or not text.isprintable():
                self._problems.append(
                    f"{name}: begins or ends with white space, or holds a line break; make it anew"
                )
        for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
            if "@" in self._environ.get(name, ""):
                self._problems.append(f"{name}: holds a user or a password, which S3 does not know")

    def _number(
        self, name: str, default: Default, *, least: int = 1, greatest: int = 10**15
    ) -> int | Default:
        text = self._environ.get(name, "")
        if not text:
            return default
        is_short = len(text) <= len(str(greatest))  # int() refuses thousands of digits
        if is_short and text.isascii() and text.isdigit() and least <= int(text) <= greatest:
            return int(text)
        self._problems.append(
            f"{name}: expected a whole number from {least} to {greatest}, received {text!r:.60}"
        )
        return default

    def _pipelines(self, name: str) -> dict[str, Declaration]:
        text = self._environ.get(name, "")
        if not text:
            return {}
        from liteship.runtime.pipeline_steps import read_pipelines

        problems: list[str] = []
        pipelines = read_pipelines(text, problems)
        self._problems += [f"{name}: {problem}" for problem in problems]
        return pipelines

    def _read_batching(self, name: str) -> int | None:
        text = self._environ.get(name, "")
        if text in {"auto", "off"}:
            return 1 if text == "off" else None
        return self._number(name, None, greatest=MOST_BATCHING)

    def _share(self, name: str, default: float) -> float:
        text = self._environ.get(name, "") or str(default)
        try:
            share = float(text)
        except ValueError:
            share = -1.0
        if 0 <= share <= 1:  # a NaN is not
            return share
        self._problems.append(f"{name}: expected a number from 0 to 1, received {text!r:.60}")
        return default

    def _choice(self, name: str, allowed: tuple[str, ...]) -> str:
        text = self._environ.get(name, "") or allowed[0]
        if text not in allowed:
            self._problems.append(
                f"{name}: expected one of {', '.join(allowed)}, received {text!r:.60}"
            )
        return text


def prefixes_overlap(first: str, second: str) -> bool:
    """Whether an S3 key can start with both prefixes; an empty prefix overlaps with every other."""
    return first.startswith(second) or second.startswith(first)

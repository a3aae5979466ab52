"""Puts an artifact where functions load it from: `s3://BUCKET/PREFIX/NAME/VERSION`.

`model.json` goes last, and only if nobody was quicker: where it is, the other files are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from liteship.artifact.folder import MANIFEST_FILE, MODEL_FILE, Artifact
from liteship.config.sections import LOCATION
from liteship.deploy.aws.client import AwsError
from liteship.errors import ConfigurationError, DeploymentError
from liteship.located_model import locate
from liteship.runtime.settings import S3

if TYPE_CHECKING:
    from collections.abc import Mapping

    from liteship.deploy.aws.client import Aws
    from liteship.located_model import LocatedModel
    from liteship.project import FunctionFolder

ABSENT = {"NoSuchKey", "404"}
TAKEN = {"PreconditionFailed", "ConditionalRequestConflict"}


@dataclass(frozen=True, kw_only=True)
class Publication:
    """What was published, or was there.

    Attributes:
        model: Its address and digest.
        uploaded: The files that were uploaded; none where all were there.
        size_bytes: Of all its files.
    """

    model: LocatedModel
    uploaded: tuple[str, ...]
    size_bytes: int


def publish(aws: Aws, function: FunctionFolder, location: str) -> Publication:
    """Uploads a function's artifact, and reads it again. The same one a second time changes nothing.

    Args:
        aws: With credentials that may list the bucket, and read and write below the location.
        function: Whose artifact.
        location: `s3://BUCKET` or `s3://BUCKET/PREFIX`.

    Raises:
        ArtifactError: It is missing, damaged, or of another version than function.toml says.
        ConfigurationError: `location-invalid`.
        DeploymentError: `version-taken`, `bucket-missing`, `upload-damaged`.
        AwsError: S3 refused, or did not answer.
    """
    require_bucket(location)
    config, location = function.config, location.rstrip("/")
    model = locate(location, config.name, config.version, function.model_folder)
    files = _files(function)
    found = {name: _read(aws, model, name) for name in files}
    if found[MANIFEST_FILE] not in {None, files[MANIFEST_FILE]}:
        raise _taken(model)
    missing = tuple(name for name in files if found[name] != files[name])
    for name in missing:
        _upload(aws, model, name, files[name])
    return Publication(model=model, uploaded=missing, size_bytes=sum(map(len, files.values())))


def require_bucket(location: str) -> None:
    """Refuses what is no place in S3.

    Raises:
        ConfigurationError: `location-invalid`.
    """
    if not re.fullmatch(LOCATION, location.rstrip("/")) or not location.startswith(S3):
        raise ConfigurationError(
            "location-invalid",
            "artifacts are published to S3",
            expected="s3://BUCKET/PREFIX, of letters, digits, hyphens, underscores and dots",
            received=location,
            hint='give one, or set model.location = "s3://BUCKET/PREFIX" in function.toml; a volume is '
            "filled by copying functions/NAME/model to NAME/VERSION on it",
        )


def _files(function: FunctionFolder) -> Mapping[str, bytes]:
    """The artifact's files in the order to upload them."""
    folder = function.model_folder
    manifest = Artifact.load(folder).manifest
    names = (manifest.golden.file, MODEL_FILE, MANIFEST_FILE)
    return {name: (folder / name).read_bytes() for name in names}


def _taken(model: LocatedModel) -> DeploymentError:
    return DeploymentError(
        "version-taken",
        f"{model.place} already holds another model, which functions may be using",
        expected="nothing there, or this model",
        hint="raise version in function.toml, convert, and publish again",
    )


def _read(aws: Aws, model: LocatedModel, name: str) -> bytes | None:
    """An object's content; None where it is not there."""
    bucket, key = _object(model, name)
    try:
        return aws.read("s3", "get_object", "Body", Bucket=bucket, Key=key)
    except AwsError as error:
        if error.code in ABSENT:
            return None
        if error.code == "NoSuchBucket":
            raise DeploymentError(
                "bucket-missing",
                f"there is no bucket {bucket}",
                hint=f"make it: aws s3 mb {S3}{bucket}; or name another",
            ) from error
        raise


def _upload(aws: Aws, model: LocatedModel, name: str, content: bytes) -> None:
    """Uploads a file, and reads it again before the next one goes."""
    bucket, key = _object(model, name)
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
    condition = {"IfNoneMatch": "*"} if name == MANIFEST_FILE else {}
    try:
        aws.call("s3", "put_object", Bucket=bucket, Key=key, Body=content, **condition)
    except AwsError as error:
        if error.code in TAKEN:
            raise _taken(model) from error
        raise
    if _read(aws, model, name) != content:
        raise DeploymentError(
            "upload-damaged",
            f"{model.place}/{name} does not hold what was uploaded to it",
            hint="see that nobody else publishes the same version, and try again",
        )


def _object(model: LocatedModel, name: str) -> tuple[str, str]:
    bucket, _, prefix = model.place.removeprefix(S3).partition("/")
    return bucket, f"{prefix}/{name}"

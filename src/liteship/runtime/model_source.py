"""An artifact from S3: downloaded, verified, kept below a folder that is named by its digest.

Imported only where the model is there, and botocore with it: boto3 on top would take a sixth longer.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time

from liteship.artifact.folder import (
    MANIFEST_FILE,
    MODEL_FILE,
    Artifact,
    most_golden_bytes,
    read_manifest,
)
from liteship.errors import ArtifactError, ConfigurationError, LiteshipError, NotReadyError
from liteship.files import locked_folder
from liteship.runtime.settings import S3

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

CONNECT_TIMEOUT_S = 2
READ_TIMEOUT_S = 5
"""Between two parts of the answer. Lambda gives the start 10 s in all
(https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-ib)."""

ATTEMPTS = 2

DOWNLOAD_S = 20
"""For the whole artifact, unless the caller has more time. The HTTP server answers nobody until this is
over, and Kubernetes ends a container after 30 s without an answer."""

MOST_MANIFEST_BYTES = 64 * 1024 * 1024
"""Of `model.json`, which is read into memory before its digest can tell that it is another file."""

PART_BYTES = 1 << 16

_MISSING = {"404", "NoSuchKey", "NoSuchBucket", "NotFound"}
_DENIED = {"403", "AccessDenied", "AllAccessDisabled"}
_UNKNOWN = {
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidToken",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
}
"""Codes of https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html"""


def fetch(
    uri: str, manifest_sha256: str, cache: str, download_s: float = DOWNLOAD_S
) -> tuple[Artifact, str]:
    """Gives the artifact that has this digest: the one that is kept, or else the one that S3 has.

    Several processes take turns, so one of them downloads. One that is killed leaves a folder that
    nobody reads, and that the next one replaces.

    Args:
        uri: `s3://BUCKET/KEY`, below which its files are.
        manifest_sha256: Digest of its `model.json`.
        cache: Folder that artifacts are kept in.
        download_s: Seconds that the download may take.

    Returns:
        The artifact, and the folder that holds it.

    Raises:
        ArtifactError: What S3 has is not that artifact, or not whole.
        NotReadyError: `model-missing`, `model-forbidden`, `model-credentials`, `model-unreachable`,
            `model-refused`, `model-cache`.
        ConfigurationError: `botocore-missing`.
    """
    folder = os.path.join(cache, manifest_sha256)
    beside = f"{folder}.new"
    try:
        with locked_folder(cache):
            try:
                return Artifact.load(folder, manifest_sha256), folder
            except ArtifactError:  # not there, or damaged
                shutil.rmtree(folder, ignore_errors=True)
            shutil.rmtree(beside, ignore_errors=True)
            os.mkdir(beside)
            try:
                _download(uri, manifest_sha256, beside, time.monotonic() + download_s)
                artifact = Artifact.load(beside, manifest_sha256)
                os.rename(beside, folder)
            finally:
                shutil.rmtree(beside, ignore_errors=True)
            return artifact, folder
    except OSError as error:
        raise NotReadyError(
            "model-cache",
            f"the model cannot be kept in {cache}: {error.strerror}",
            hint="have a folder that can be written to and is large enough, or set TMPDIR to one",
        ) from error


def _download(uri: str, manifest_sha256: str, folder: str, deadline_s: float) -> None:
    """Brings the artifact's files into a folder, `model.json` first: the wrong one ends it at once."""
    try:
        from botocore.exceptions import BotoCoreError, ClientError
        from urllib3.exceptions import HTTPError
    except ImportError as error:
        raise ConfigurationError(
            "botocore-missing",
            f"{uri} cannot be read: botocore is not installed",
            hint="build the image with functions/Dockerfile, which has it",
        ) from error
    place = f"{uri}/{MANIFEST_FILE}"
    try:
        client = _client()
        try:
            text = b"".join(_parts(client, place, MOST_MANIFEST_BYTES, deadline_s))
            manifest = read_manifest(text, place, manifest_sha256)
            with open(os.path.join(folder, MANIFEST_FILE), "wb") as file:
                file.write(text)
            sizes = {manifest.golden.file: most_golden_bytes(manifest), MODEL_FILE: manifest.size_bytes}
            for name, most_bytes in sizes.items():
                place = f"{uri}/{name}"
                with open(os.path.join(folder, name), "wb") as file:
                    file.writelines(_parts(client, place, most_bytes, deadline_s))
        finally:
            client.close()
    except ClientError as error:
        raise _refused(error, place) from error
    # HTTPError: botocore lets some through, as of TLS in the middle of a body.
    # ValueError: an endpoint's address that is none
    except (BotoCoreError, HTTPError, ValueError) as error:
        raise _unanswered(error, place) from error


def _client() -> Any:
    from botocore.config import Config
    from botocore.session import Session

    config = Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
    )
    return Session().create_client("s3", config=config)


def _parts(client: Any, place: str, most_bytes: int, deadline_s: float) -> Iterator[bytes]:
    """An object, part by part: no more of it than there should be, and no longer than there is time."""
    bucket, _, key = place.removeprefix(S3).partition("/")
    answer = client.get_object(Bucket=bucket, Key=key)
    with contextlib.closing(answer["Body"]) as body:
        _require_size(place, answer.get("ContentLength", 0), most_bytes)
        size_bytes = 0
        while part := body.read(PART_BYTES):
            size_bytes += len(part)
            _require_size(place, size_bytes, most_bytes)
            yield part
            if time.monotonic() > deadline_s:
                raise _unreachable(f"{size_bytes} bytes within the time that there is", place)


def _require_size(place: str, size_bytes: int, most_bytes: int) -> None:
    if size_bytes > most_bytes:
        raise ArtifactError(
            "artifact-digest",
            f"{place} is not a file of the artifact that {MANIFEST_FILE} describes",
            expected=f"at most {most_bytes} bytes",
            received=f"{size_bytes} bytes",
            hint="publish the artifact again: liteship publish NAME",
        )


def _refused(error: Any, place: str) -> LiteshipError:
    """What S3 answered instead of the object."""
    code = str(error.response["Error"].get("Code", "Unknown"))
    said = f"{code}: {error.response['Error'].get('Message', '')}"
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _MISSING:
        return NotReadyError(
            "model-missing",
            f"there is no {place}",
            received=said,
            hint="publish this version: liteship publish NAME; or correct model.location",
        )
    if code in _UNKNOWN:
        return NotReadyError(
            "model-credentials",
            f"S3 does not accept the credentials for {place}",
            received=said,
            hint="renew them; on a cluster, in the Secret that knative.secret names",
        )
    if code in _DENIED:
        return NotReadyError(
            "model-forbidden",
            f"{place} may not be read, or is not there",
            received=said,
            hint="allow s3:GetObject on it, and publish this version: liteship publish NAME",
        )
    if status >= 500 or code == "SlowDown":
        return _unreachable(said, place)
    return NotReadyError(
        "model-refused",
        f"S3 refuses {place}",
        received=said,
        hint="the code is S3's own; look for it in the S3 API's list of error responses",
    )


def _unanswered(error: Exception, place: str) -> LiteshipError:
    """Why S3 was not asked, or did not answer to the end."""
    from botocore import exceptions

    if isinstance(
        error,
        exceptions.NoCredentialsError
        | exceptions.PartialCredentialsError
        | exceptions.CredentialRetrievalError
        | exceptions.TokenRetrievalError,
    ):
        return NotReadyError(
            "model-credentials",
            f"there are no credentials to read {place} with",
            received=str(error),
            hint="set knative.secret or knative.service_account; on Lambda, the function's role",
        )
    if type(error) is exceptions.HTTPClientError:  # its words may quote headers, and so credentials
        return _unreachable(type(error).__name__, place)
    return _unreachable(f"{type(error).__name__}: {error}", place)


def _unreachable(said: str, place: str) -> LiteshipError:
    return NotReadyError(
        "model-unreachable",
        f"{place} could not be read to its end",
        received=f"{said:.300}",
        hint="check the network's rules, the region, and AWS_ENDPOINT_URL_S3 where it is set",
    )

"""Which events are answered: whoever reaches the HTTP server can send one.

Lambda's events need no such look: IAM says who may send them, and the function's role which buckets it
may touch.
"""

from __future__ import annotations

import re

from liteship.errors import InputError
from liteship.runtime.triggers.s3 import MAX_KEY_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sized

    from liteship.runtime.settings import Settings
    from liteship.runtime.triggers.s3 import S3Object

MAX_OBJECTS = 100
"""Of one event, which holds a worker until all are answered; S3 and MinIO tell of one."""

_IDENTITY = re.compile(r'[\w.+="-]{0,1024}', re.ASCII)
"""A version or an ETag, of whichever store."""


def require_uploads(settings: Settings) -> None:
    """Refuses events where the function answers no uploads.

    Raises:
        InputError: `uploads-not-answered`, `bucket-unset`.
    """
    if not settings.answers_uploads:
        raise InputError(
            "uploads-not-answered",
            "this function answers no uploads, and so no events",
            expected="POST /predict, or a function with [triggers.s3]",
            hint="add [triggers.s3] to function.toml, or point the Trigger at another Service",
        )
    if not settings.bucket:
        raise InputError(
            "bucket-unset",
            "this function takes events of one bucket, and does not know of which",
            expected="LITESHIP_S3_BUCKET",
            hint="set triggers.s3.bucket in function.toml, and render and apply the manifests again",
        )


def require_few(records: Sized) -> None:
    """Refuses a notification of more objects than one event may keep a worker busy with.

    Raises:
        InputError: `event-invalid`.
    """
    if len(records) > MAX_OBJECTS:
        raise _invalid("it tells of too many objects", f"at most {MAX_OBJECTS}", str(len(records)))


def require_ours(settings: Settings, s3_object: S3Object) -> None:
    """Refuses what the bucket's own events never say, before S3 is asked.

    Whoever reaches the server can send an event: it must not lead to another bucket, to an access point
    of somebody else's, past a store that resolves `..`, or to a result with a name of the sender's.

    Raises:
        InputError: `bucket-other`, `event-invalid`.
    """
    if s3_object.bucket != settings.bucket:
        raise InputError(
            "bucket-other",
            "the event is of another bucket than this function answers",
            received=f"{s3_object.bucket!r:.100}",
            hint="set triggers.s3.bucket in function.toml to the bucket that sends the events",
        )
    # A size that is told would be believed, and the object refused unseen
    s3_object.size_bytes = 0
    identity = s3_object.identity
    if not _IDENTITY.fullmatch(identity):
        raise _invalid("its version or ETag is none", received=f"{identity!r:.100}")
    key = s3_object.key or ""
    if (
        "\0" in key
        or {".", ".."} & set(key.split("/"))
        or len(key.encode(errors="replace")) > MAX_KEY_BYTES
        or any("\ud800" <= each <= "\udfff" for each in key)
    ):
        expected = f"at most {MAX_KEY_BYTES} bytes of UTF-8, without . and .. between slashes"
        raise _invalid("its key is none that every store takes", expected, f"{key!r:.100}")


def _invalid(problem: str, expected: str | None = None, received: str | None = None) -> InputError:
    return InputError(
        "event-invalid",
        f"the event cannot be answered: {problem}",
        expected=expected,
        received=received,
        hint="look at what the source writes there; liteship event cloudevent prints an event",
    )

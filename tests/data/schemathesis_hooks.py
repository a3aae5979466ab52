"""What no schema can say of this model's requests; loaded by schemathesis, in its own environment.

`SAMPLES` has a body in base64 for each content type: a text that is described as a picture, or as a
number of bytes, is hardly ever one if it was made of the description alone.
"""

from __future__ import annotations

import base64
import json
import os
from typing import Any

import schemathesis
from hypothesis import strategies

SAMPLES = {name: base64.b64decode(body) for name, body in json.loads(os.environ["SAMPLES"]).items()}
FILE = SAMPLES.get("image/png") or SAMPLES["text/csv"]

for media_type, sample in SAMPLES.items():
    if media_type != "text/csv":
        schemathesis.openapi.media_type(media_type, strategies.just(sample))
schemathesis.openapi.format("csv", strategies.just(SAMPLES.get("text/csv", b"").decode()))
schemathesis.openapi.format("byte", strategies.just(base64.b64encode(FILE).decode()))
schemathesis.openapi.format("binary", strategies.just(FILE))  # in a form


@schemathesis.serializer("text/csv")  # type: ignore[untyped-decorator]
def serialize_csv(_context: Any, value: Any) -> bytes:
    """A row as it is: schemathesis itself would write one from a list of objects."""
    return str(value).encode()


@schemathesis.hook  # type: ignore[untyped-decorator]
def filter_query(_context: Any, query: dict[str, Any] | None) -> bool:
    """A version or its label: both are refused, and a schema of parameters cannot say so."""
    return not (query and "version" in query and "label" in query)

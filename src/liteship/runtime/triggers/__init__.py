"""What wakes a function besides HTTP: one module an event source.

All of them tell of uploads to S3: S3 itself, through a queue, or through EventBridge. What is done
with an upload stands once, in `s3`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def event_source(event: Mapping[str, object]) -> str | None:
    """Who sent an event: `s3`, `s3-test`, `sqs` or `eventbridge`; None for any other form."""
    if event.get("Event") == "s3:TestEvent":
        return "s3-test"
    if "detail-type" in event:
        return "eventbridge"
    records = event.get("Records")
    if not isinstance(records, list):
        return None
    sources = {str(each.get("eventSource")) if isinstance(each, dict) else "" for each in records}
    names = {"aws:s3": "s3", "aws:sqs": "sqs"}
    return names.get(sources.pop()) if len(sources) == 1 else None

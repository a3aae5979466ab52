"""The next step after a smoke test that failed: never one that moves traffic nobody gave."""

from __future__ import annotations

import pytest

from liteship.deploy.kubernetes.rollout.deployment import next_step


@pytest.mark.parametrize(
    ("platform", "percent", "step"),
    [
        ("knative", 100, "liteship rollback digits --on knative; liteship logs digits --on knative"),
        ("knative", 0, "it gets no traffic: mend it, and deploy again; liteship logs digits"),
        ("kubernetes", None, "kubectl rollout undo deployment/digits; liteship logs digits --on kub"),
    ],
)
def test_after_a_wrong_answer(platform: str, percent: int | None, step: str) -> None:
    assert next_step("digits", platform, percent).startswith(step)

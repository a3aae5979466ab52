"""What can be told of a push from an image's name; tests/e2e/packaging/test_push.py has the rest."""

from __future__ import annotations

import pytest

from liteship.errors import PackagingError
from liteship.packaging.pushing import registry_of


@pytest.mark.parametrize(
    ("reference", "host"),
    [
        ("registry.example.com/digits:v1", "registry.example.com"),
        ("localhost/digits:v1", "localhost"),
        ("localhost:5000/team/digits:v1", "localhost:5000"),
        ("registry:5000/digits:v1", "registry:5000"),
        ("docker.io/somebody/digits:v1", "docker.io"),
    ],
)
def test_a_host_is_what_can_only_be_one(reference: str, host: str) -> None:
    assert registry_of(reference) == host


@pytest.mark.parametrize(
    ("reference", "error"),
    [
        ("digits:v1", "registry-missing"),
        ("somebody/digits:v1", "registry-missing"),
        ("dev.local/digits:v1", "registry-local"),
        ("kind.local/digits:v1", "registry-local"),
    ],
)
def test_without_a_registry_there_is_nowhere_to_push(reference: str, error: str) -> None:
    with pytest.raises(PackagingError) as refused:
        registry_of(reference)
    assert refused.value.reference == error
    assert "--tag registry.example.com/" in refused.value.hint

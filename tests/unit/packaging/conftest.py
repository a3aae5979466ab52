"""What the tests of layers share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """As pip leaves a package behind."""
    root = tmp_path / "installed"
    for name in (
        *("pkg/__init__.py", "pkg/tests/test_a.py", "pkg/data/s3/api.json", "pkg/data/ec2/api.json"),
        *("pkg-1.dist-info/RECORD", "pkg-1.dist-info/INSTALLER", "pkg-1.dist-info/METADATA"),
        *("pkg-1.dist-info/licenses/LICENSE", "bin/pkg", "pkg/__pycache__/__init__.cpython-311.pyc"),
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root

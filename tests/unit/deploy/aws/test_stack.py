"""The name of a stage's stack."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from liteship.deploy.aws.stack import stack_name
from liteship.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path


def test_samconfig_names_the_stack(tmp_path: Path) -> None:
    (tmp_path / "samconfig.toml").write_text('[default.global.parameters]\nstack_name = "shop"\n')
    assert stack_name(tmp_path) == "shop"
    assert stack_name(tmp_path, "default") == "shop"
    assert stack_name(tmp_path, "prod") == "shop-prod"


@pytest.mark.parametrize("content", [None, "", "version = 0.1\n", "[default.deploy.parameters]\n"])
def test_without_a_name_the_stack_is_called_liteship(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "samconfig.toml").write_text(content)
    assert stack_name(tmp_path, "test") == "liteship-test"


@pytest.mark.parametrize("content", ["[default", "default = 1\n", "[default]\nglobal = 1\n"])
def test_a_broken_samconfig_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "samconfig.toml").write_text(content)
    with pytest.raises(ConfigurationError) as raised:
        stack_name(tmp_path)
    assert raised.value.reference == "samconfig-toml"


@pytest.mark.parametrize("stage", ["a", "prod", "prod-2", "x" * 20])
def test_stages(tmp_path: Path, stage: str) -> None:
    assert stack_name(tmp_path, stage) == f"liteship-{stage}"

from __future__ import annotations

import importlib.util
import sys
from typing import Any

import pytest

from liteship.conversion.frameworks import python_for, tool_versions
from liteship.errors import ConfigurationError


@pytest.mark.parametrize("source_format", ["keras", "h5", "saved-model", "tflite"])
def test_what_is_installed_here_runs_here(source_format: Any) -> None:
    said: list[str] = []
    assert python_for(source_format, said.append) == sys.executable
    assert said == []


@pytest.mark.parametrize(
    ("source_format", "missing", "extra"),
    [
        ("keras", "tensorflow", "keras"),
        ("saved-model", "keras", "keras"),
        ("torch-export", "litert_torch", "torch"),
        ("torch-factory", "torch", "torch"),
        ("tflite", "litert_quantizer", "quantize"),
        ("onnx", "zstandard", "quantize"),
    ],
)
def test_a_missing_extra_names_the_command_that_installs_it(
    source_format: Any, missing: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    found = find("liteship")
    monkeypatch.setattr(
        "importlib.util.find_spec",
        lambda name: None if name == missing else find(name) or found,
    )
    with pytest.raises(ConfigurationError) as raised:
        python_for(source_format, print)
    assert raised.value.reference == "extra-missing"
    assert missing in raised.value.message
    assert raised.value.hint == f"pip install 'liteship[{extra},tool]'"


def test_versions_are_of_what_is_installed() -> None:
    versions = tool_versions()
    assert {"ai-edge-litert", "litert-quantizer", "tensorflow-cpu"} <= versions.keys()
    assert "onnx2tf" not in versions

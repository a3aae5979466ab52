"""Whole conversions from PyTorch: to an artifact that is proven through the deployed predictor."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

import liteship
from liteship import Artifact
from liteship.artifact import Postprocessing, Preprocessing
from liteship.conversion.pipeline import convert_model
from liteship.conversion.request import ConversionRequest
from liteship.conversion.sources.exported import ExportOptions

if TYPE_CHECKING:
    from pathlib import Path

HELD_OUT = 300


class Digits(torch.nn.Module):  # type: ignore[misc]  # PyTorch is not looked into
    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Conv2d(1, 8, 3, padding=1),
            torch.nn.ReLU(),
            torch.nn.Flatten(),
            torch.nn.Linear(512, 10),
        )

    def forward(self, image: Any) -> Any:
        return self.layers(image)


FACTORY = """
import torch
from tests.converters.test_pipeline_torch import Digits


def make():
    module = Digits()
    module.load_state_dict(torch.load(r"{weights}"))
    return module, (torch.zeros(1, 1, 8, 8),)
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the module's weights, a factory of it, its export, and data."""
    folder = tmp_path_factory.mktemp("torch")
    torch.manual_seed(3)
    digits = load_digits()
    pictures = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    scaled = torch.from_numpy(pictures[:, None].astype(np.float32) / 255)
    labels = torch.from_numpy(digits.target)
    module = Digits()
    optimizer = torch.optim.SGD(module.parameters(), 0.1, momentum=0.9)
    for _ in range(8):
        for rows in torch.randperm(len(labels) - HELD_OUT).split(32):
            optimizer.zero_grad()
            chosen = rows + HELD_OUT
            torch.nn.functional.cross_entropy(module(scaled[chosen]), labels[chosen]).backward()
            optimizer.step()
    torch.save(module.state_dict(), folder / "weights.pth")
    (folder / "digits_factory.py").write_text(FACTORY.format(weights=folder / "weights.pth"))
    exported = torch.export.export(module.eval(), (scaled[:1],))
    torch.export.save(exported, folder / "digits.pt2")
    nhwc = (pictures[..., None] / 255).astype(np.float32)
    np.savez(folder / "calibration.npz", image=nhwc[HELD_OUT : HELD_OUT + 100])
    np.savez(folder / "training.npz", image=pictures[HELD_OUT:], label=digits.target[HELD_OUT:])
    np.savez(folder / "evaluation.npz", image=pictures[:HELD_OUT], label=digits.target[:HELD_OUT])
    return folder


def request_for(trained: Path, output: Path, **changes: Any) -> ConversionRequest:
    fields: dict[str, Any] = {
        "name": "digits",
        "version": "1",
        "source": str(trained / "digits.pt2"),
        "calibration": str(trained / "calibration.npz"),
        "evaluation": str(trained / "evaluation.npz"),
        "max_drop": 0.03,
        "folder": trained,
        "preprocessing": Preprocessing("image", "L", mean=[0.0], std=[255.0]),
        "postprocessing": Postprocessing("softmax", [str(digit) for digit in range(10)]),
        "output": output,
    }
    return ConversionRequest(**fields | changes)


@pytest.mark.parametrize("source", ["digits.pt2", "digits_factory:make"])
def test_a_module_becomes_a_proven_artifact(source: str, trained: Path, tmp_path: Path) -> None:
    named = source if ":" in source else str(trained / source)
    request = request_for(trained, tmp_path / "model", source=named)
    result = convert_model(request, lambda *_: None)
    assert result.accuracy is not None
    assert result.accuracy.source > 0.85
    manifest = Artifact.load(request.output).manifest
    assert manifest.inputs[0].item_shape == (1, 8, 8, 1)
    assert manifest.inputs[0].dtype == "int8"
    provenance: Any = manifest.provenance
    assert len(provenance["source"]["sha256"]) == 64
    assert provenance["tools"]["torch"].startswith("2.")


def test_a_factory_s_module_is_pruned(trained: Path, tmp_path: Path) -> None:
    plain = convert_model(request_for(trained, tmp_path / "plain"), lambda *_: None)
    request = request_for(
        trained,
        tmp_path / "model",
        source="digits_factory:make",
        options=ExportOptions(),
        training=str(trained / "training.npz"),
        prune=0.8,
        clusters=16,
        epochs=3,
    )
    result = convert_model(request, lambda *_: None)
    assert result.shipped.zip_bytes is not None
    assert plain.shipped.zip_bytes is not None
    assert result.shipped.zip_bytes < 0.7 * plain.shipped.zip_bytes


def test_a_module_in_memory_is_converted(tmp_path: Path) -> None:
    torch.manual_seed(1)
    module = torch.nn.Sequential(torch.nn.Linear(5, 16), torch.nn.ReLU(), torch.nn.Linear(16, 3))
    rows = np.random.default_rng(1).normal(size=(60, 5)).astype(np.float32)
    with torch.no_grad():
        classes = module(torch.from_numpy(rows)).argmax(dim=1).numpy()
    result = liteship.convert(
        module,
        tmp_path / "model",
        calibration={"input": rows},
        evaluation={"input": rows, "label": classes},
        max_drop=0.1,
    )
    assert result.accuracy is not None
    assert result.accuracy.source == 1


def test_without_pytorch_the_command_that_installs_it_is_told(trained: Path, tmp_path: Path) -> None:
    """As an environment without PyTorch sees it: the import is refused."""
    program = (
        "import sys, json\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name in ('torch', 'litert_torch'): raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "import importlib.util\n"
        "real = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *a: None if 'torch' in name else real(name, *a)\n"
        "from liteship.conversion.frameworks import python_for\n"
        "from liteship.errors import ConfigurationError\n"
        "try: python_for('torch-export', print)\n"
        "except ConfigurationError as error: print(json.dumps(error.as_dict()))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    error = json.loads(done.stdout)
    assert error["reference"] == "extra-missing"
    assert "pip install 'liteship[torch,tool]'" in error["hint"]

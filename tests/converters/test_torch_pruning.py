"""Pruning and quantization-aware fine-tuning of PyTorch modules; needs torch (make converters)."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is in an environment of its own: make converters")

from liteship.conversion.shrinking import ShrinkOptions  # noqa: E402
from liteship.conversion.shrinking.schedule import pruned_count  # noqa: E402
from liteship.conversion.shrinking.torch_pruning import shrink_torch  # noqa: E402
from liteship.errors import CalibrationError, ConversionError, SourceModelError  # noqa: E402


def nothing(_stage: str, _done: int, _of: int) -> None:
    """Nobody watches."""


@pytest.fixture(scope="module")
def pictures() -> tuple[Any, Any]:
    """Noise, brighter in one of four quarters: float32 of shape (samples, 1, 8, 8); the quarter."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 480)
    images = rng.normal(size=(480, 1, 8, 8)).astype(np.float32)
    for image, label in zip(images, labels, strict=True):
        row, column = divmod(int(label), 2)
        image[0, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4] += 1
    return images, labels


@pytest.fixture(scope="module")
def module(pictures: Any) -> Any:
    """A trained network with a small layer, a depthwise convolution and two weights that go."""
    nn = torch.nn
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 16, 3, padding=1, groups=16),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(2048, 32),
        nn.ReLU(),
        nn.Linear(32, 4),
    )
    images, labels = (torch.from_numpy(each) for each in pictures)
    optimizer = torch.optim.Adam(module.parameters(), 1e-3)
    for _ in range(30):
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(images), labels).backward()
        optimizer.step()
    return module.eval()


def accuracy(module: Any, pictures: Any) -> float:
    images, labels = pictures
    with torch.no_grad():
        return float((module(torch.from_numpy(images)).argmax(1).numpy() == labels).mean())


def zeros(layer: Any) -> int:
    return int((layer.weight == 0).sum())


@pytest.mark.parametrize("quantization_aware", [False, True])
def test_a_module_is_pruned_and_as_good(quantization_aware: bool, module: Any, pictures: Any) -> None:
    images, labels = pictures
    before = {name: value.clone() for name, value in module.state_dict().items()}
    options = ShrinkOptions(sparsity=0.9, quantization_aware=quantization_aware, epochs=5)
    told: list[Any] = []
    shrunk = shrink_torch(module, {"x": images}, labels, options, lambda *now: told.append(now))

    assert accuracy(shrunk, pictures) >= accuracy(module, pictures) - 0.02
    for index in (4, 8):
        assert zeros(shrunk[index]) == pruned_count(shrunk[index].weight.numel(), 0.9)
    for index in (0, 3, 10):
        assert zeros(shrunk[index]) == 0
    assert told == [("fine-tune", done, 75) for done in range(1, 76)]

    # an ordinary module again, whose state is that of the one given, which stayed as it was
    assert not shrunk.training
    assert {name: value.shape for name, value in shrunk.state_dict().items()} == {
        name: value.shape for name, value in before.items()
    }
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert torch.export.export(shrunk, (torch.zeros(1, 1, 8, 8),))


def test_the_same_arguments_give_the_same_weights_and_another_seed_others(
    module: Any, pictures: Any
) -> None:
    images, labels = pictures

    def weights(seed: int) -> bytes:
        options = ShrinkOptions(sparsity=0.5, epochs=1, seed=seed)
        shrunk = shrink_torch(module, {"x": images}, labels, options, nothing)
        return b"".join(value.numpy().tobytes() for value in shrunk.state_dict().values())

    first = weights(0)
    assert weights(0) == first
    assert weights(1) != first


def with_int8_inputs(module: Any, pictures: Any) -> float:
    """The accuracy where each layer's inputs have one scale of 256 steps for all channels."""

    def rounded(_layer: Any, inputs: Any) -> Any:
        step = (inputs[0].max() - inputs[0].min()) / 255
        return ((inputs[0] / step).round() * step,)

    layers = (torch.nn.Conv2d, torch.nn.Linear)
    found = [each for each in module.modules() if isinstance(each, layers)]
    handles = [layer.register_forward_pre_hook(rounded) for layer in found]
    try:
        return accuracy(module, pictures)
    finally:
        for handle in handles:
            handle.remove()


def test_quantization_aware_fine_tuning_repairs_channels_of_unlike_ranges(
    module: Any, pictures: Any
) -> None:
    ill = copy.deepcopy(module)
    factors = torch.ones(16)
    factors[0] = 1000  # its scale leaves the other channels no more than a step or two
    with torch.no_grad():
        ill[1].weight *= factors
        ill[1].bias *= factors
        ill[3].weight /= factors[:, None, None, None]
    source = accuracy(module, pictures)
    assert accuracy(ill, pictures) == pytest.approx(source, abs=0.005)
    assert with_int8_inputs(ill, pictures) < source - 0.2
    images, labels = pictures
    repaired = []
    for quantization_aware in (False, True):
        options = ShrinkOptions(quantization_aware=quantization_aware, epochs=10)
        shrunk = shrink_torch(ill, {"x": images}, labels, options, nothing)
        repaired.append(with_int8_inputs(shrunk, pictures))
    assert repaired[0] < repaired[1] - 0.1  # it is not just more training
    assert repaired[1] >= source - 0.03


def test_what_cannot_be_fine_tuned_is_refused(module: Any, pictures: Any) -> None:
    images, labels = pictures
    with pytest.raises(CalibrationError) as data:
        shrink_torch(module, {"x": images}, labels + 1, ShrinkOptions(), nothing)
    assert data.value.problems == ("label: expected classes 0 to 3, received 1 to 4",)
    with pytest.raises(SourceModelError) as small:
        shrink_torch(
            torch.nn.Linear(3, 2),
            {"x": np.ones((4, 3), np.float32)},
            np.zeros(4, int),
            ShrinkOptions(sparsity=0.5),
            nothing,
        )
    assert small.value.reference == "nothing-to-prune"
    with pytest.raises(ConversionError) as rate:
        shrink_torch(module, {"x": images}, labels, ShrinkOptions(learning_rate=1e30), nothing)
    assert rate.value.reference == "fine-tune-diverged"


def test_values_and_two_classes_are_learnt() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(size=(320, 6)).astype(np.float32)
    sums = values.sum(axis=1)

    def learnt(labels: Any) -> Any:
        torch.manual_seed(3)
        options = ShrinkOptions(epochs=20, learning_rate=0.05)
        shrunk = shrink_torch(torch.nn.Linear(6, 1), {"x": values}, labels, options, nothing)
        with torch.no_grad():
            return shrunk(torch.from_numpy(values))[:, 0].numpy()

    assert ((learnt(sums) - sums) ** 2).mean() < 0.2
    assert ((learnt((sums > 0).astype(int)) > 0) == (sums > 0)).mean() > 0.95

"""Fine-tunes a PyTorch module while it is pruned, or rounded as int8 will round it, or both.

Masks are those of `torch.nn.utils.prune`. Imports torch: runs in the conversion's child process only,
in an environment that has it.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn.utils import prune

from liteship.conversion.shrinking.objective import find_objective, require_training_data
from liteship.conversion.shrinking.schedule import Ramp, least_prunable, magnitude_mask, pruned_count
from liteship.errors import ConversionError, SourceModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from liteship.conversion.shrinking.objective import Objective
    from liteship.conversion.shrinking.options import ShrinkOptions

    Arrays = Mapping[str, NDArray[np.generic]]
    Progress = Callable[[str, int, int], None]

ANSWERED = 256
"""Samples whose answers tell whether the outputs are probabilities."""

_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_MULTIPLYING = (nn.Linear, *_CONVOLUTIONS, *_TRANSPOSED)


def shrink_torch(
    module: nn.Module,
    inputs: Arrays,
    labels: NDArray[np.generic],
    options: ShrinkOptions,
    progress: Progress,
) -> nn.Module:
    """Fine-tunes a copy of a module.

    Pruned are the weights of linear, convolution and embedding layers that are not small
    (`least_prunable`), but not those of depthwise convolutions.

    Args:
        module: Takes its inputs by position and gives one tensor; it stays as it is.
        inputs: Training inputs as the module takes them, pictures as NCHW: arrays of shape (samples, …)
            in the order of the module's arguments, under whatever names.
        labels: Integer array of shape (samples,), classes; or a float array of the output's shape.
        options: What to do.
        progress: Called with `fine-tune`, steps done and steps in all.

    Returns:
        The copy, in evaluation mode, with ordinary parameters. Where it was pruned, each prunable
        weight has at least `options.sparsity` zeros.

    Raises:
        CalibrationError: `training-invalid` if the module cannot learn from this data.
        SourceModelError: `nothing-to-prune`.
        ConversionError: `fine-tune-diverged`, `pruning-incomplete`.
    """
    torch.manual_seed(options.seed)  # of dropout
    student = copy.deepcopy(module).eval()
    answers = _answers(student, inputs)
    shapes = {name: (None, *values.shape[1:]) for name, values in inputs.items()}
    require_training_data(inputs, labels, shapes, [(None, *each.shape[1:]) for each in answers])
    objective = find_objective(answers[0], labels)
    layers = [each for each in student.modules() if isinstance(each, (*_MULTIPLYING, nn.Embedding))]
    layers = [each for each in layers if isinstance(each.weight, nn.Parameter)]
    pruned = _prunable(layers) if options.sparsity is not None else []
    handles = []
    for layer in layers:
        prune.identity(layer, "weight")  # from now on weight is weight_orig × weight_mask
        if options.quantization_aware and isinstance(layer, _MULTIPLYING):
            # after prune's own hook, which sets the weight anew before each call
            handles.append(layer.register_forward_pre_hook(_round))
    _train(student, pruned, inputs, objective, options, progress)
    for handle in handles:
        handle.remove()
    for layer in layers:
        prune.remove(layer, "weight")
    _require_sparse(student, pruned, options.sparsity or 0.0)
    return student.eval()


def _prunable(layers: list[Any]) -> list[Any]:
    whole = [layer for layer in layers if not _is_depthwise(layer)]
    least = least_prunable(layer.weight.numel() for layer in whole)
    found = [layer for layer in whole if layer.weight.numel() >= least]
    if not found:
        raise SourceModelError(
            "nothing-to-prune",
            "the module has no layer that can be pruned",
            expected="a linear, convolution or embedding layer with 1,024 weights",
            hint="leave pruning out: a model this small has little to give",
        )
    return found


def _is_depthwise(layer: Any) -> bool:
    return getattr(layer, "groups", 1) > 1 and layer.groups == layer.in_channels


def _train(
    student: nn.Module,
    pruned: list[Any],
    inputs: Arrays,
    objective: Objective,
    options: ShrinkOptions,
    progress: Progress,
) -> None:
    loss_of = _loss(objective)
    rng = np.random.default_rng(options.seed)
    count = len(objective.targets)
    batch_size = min(options.batch_size, count)
    per_epoch = count // batch_size
    steps = options.epochs * per_epoch
    optimizer = torch.optim.Adam(student.parameters(), lr=options.learning_rate)
    rate = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    ramp = Ramp(options.sparsity or 0.0)
    student.train()
    for done in range(steps):
        if done % per_epoch == 0:
            order = rng.permutation(count)
        sparsity = ramp.due((done + 1) / steps)
        if sparsity is not None:
            for layer in pruned:
                kept = magnitude_mask(layer.weight_orig.detach().numpy(), sparsity)
                layer.weight_mask.copy_(torch.from_numpy(kept))
        start = done % per_epoch * batch_size
        rows = order[start : start + batch_size]
        outputs = student(*(torch.from_numpy(values[rows]) for values in inputs.values()))
        loss = loss_of(outputs, torch.from_numpy(objective.targets[rows]))
        if not torch.isfinite(loss):
            raise ConversionError(
                "fine-tune-diverged",
                f"the loss is no longer a number after step {done + 1} of {steps}",
                expected="a finite loss",
                received=str(loss.item()),
                hint=f"use a learning rate below {options.learning_rate:g}",
            )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rate.step()
        progress("fine-tune", done + 1, steps)


def _loss(objective: Objective) -> Callable[[Any, Any], Any]:
    functional = nn.functional

    def classes(outputs: Any, targets: Any) -> Any:
        """Cross-entropy over the last axis, which is where TFLite has the classes."""
        logits = outputs if objective.from_logits else outputs.clamp_min(1e-7).log()
        return functional.cross_entropy(logits.flatten(0, -2), targets.flatten())

    losses: dict[str, Callable[[Any, Any], Any]] = {
        "classes": classes,
        "values": functional.mse_loss,
        "binary": functional.binary_cross_entropy_with_logits
        if objective.from_logits
        else functional.binary_cross_entropy,
    }
    return losses[objective.kind]


def _round(layer: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Rounds a layer's weight and inputs as the quantizer will; gradients pass straight through."""
    axes = {1} if isinstance(layer, _TRANSPOSED) else {0}
    weight = layer.weight
    others = [axis for axis in range(weight.dim()) if axis not in axes]
    scale = weight.detach().abs().amax(dim=others, keepdim=True).clamp_min(1e-12) / 127
    layer.weight = weight + ((weight / scale).round() * scale - weight).detach()
    return tuple(_rounded(each) if each.is_floating_point() else each for each in inputs)


def _rounded(values: Any) -> Any:
    least, greatest = values.detach().min().clamp_max(0), values.detach().max().clamp_min(0)
    scale = (greatest - least).clamp_min(1e-12) / 255
    zero_point = (-least / scale).round()
    rounded = ((values / scale + zero_point).round() - zero_point) * scale
    return values + (rounded - values).detach()


def _answers(module: nn.Module, inputs: Arrays) -> list[NDArray[np.float32]]:
    """The module's outputs for the first samples."""
    with torch.no_grad():
        outputs = module(*(torch.from_numpy(values[:ANSWERED]) for values in inputs.values()))
    several = outputs if isinstance(outputs, (tuple, list)) else (outputs,)
    return [each.numpy() for each in several]


def _require_sparse(student: nn.Module, pruned: list[Any], sparsity: float) -> None:
    names = {id(layer): name for name, layer in student.named_modules()}
    problems = []
    for layer in pruned:
        zeros, wanted = int((layer.weight == 0).sum()), pruned_count(layer.weight.numel(), sparsity)
        if zeros < wanted:
            problems.append(
                f"{names[id(layer)]}: {zeros} of {layer.weight.numel()} weights are zero, not {wanted}"
            )
    if problems:
        raise ConversionError(
            "pruning-incomplete",
            "weights that were pruned are not zero",
            problems=problems,
            hint="use a smaller learning rate",
        )

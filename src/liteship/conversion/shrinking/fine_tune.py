"""Fine-tunes a Keras model while it is pruned, or rounded as int8 will round it, or both.

Imports Keras and TensorFlow: runs in the conversion's child process only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from liteship.conversion.shrinking.fake_quantization import (
    fake_quantize_weights,
    with_fake_quantized_activations,
)
from liteship.conversion.shrinking.keras_layers import kernels
from liteship.conversion.shrinking.keras_pruning import mask_of, prunable_kernels, require_sparse
from liteship.conversion.shrinking.objective import find_objective, require_training_data
from liteship.conversion.shrinking.schedule import Ramp
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


def shrink_keras(
    model: Any,
    inputs: Arrays,
    labels: NDArray[np.generic],
    options: ShrinkOptions,
    progress: Progress,
) -> Any:
    """Fine-tunes a copy of a model.

    Where the machine and its number of threads are the same, the same arguments give the same weights.

    Args:
        model: A built Functional or Sequential Keras model with one output; it stays as it is.
        inputs: Training inputs by name, as the model sees them: arrays of shape (samples, …).
        labels: Integer array of shape (samples,), classes; or a float array of the output's shape.
        options: What to do.
        progress: Called with `fine-tune`, steps done and steps in all.

    Returns:
        The copy. Where it was pruned, each prunable kernel has at least `options.sparsity` zeros.

    Raises:
        CalibrationError: `training-invalid` if the model cannot learn from this data.
        SourceModelError: `nothing-to-prune`, `nothing-to-train`, `source-not-copied`.
        ConversionError: `fine-tune-diverged`, `pruning-incomplete`.
    """
    _require_graph(model)
    samples = _by_name(model, inputs)
    require_training_data(
        samples,
        labels,
        {each.name: tuple(each.shape) for each in model.inputs},
        [tuple(each.shape) for each in model.outputs],
    )
    some = {name: values[:ANSWERED] for name, values in samples.items()}
    answers = np.asarray(model.predict(_fed(some), verbose=0), np.float32)
    objective = find_objective(answers, labels)
    student = _copy(model)
    masks = {}
    if options.sparsity is not None:
        masks = {id(each): tf.Variable(tf.ones_like(each)) for each in prunable_kernels(student)}
    _train(student, samples, objective, masks, options, progress)
    if options.sparsity is not None:
        pruned = prunable_kernels(student)
        for variable in pruned:
            variable.assign(variable.value * masks[id(variable)])
        require_sparse(pruned, options.sparsity)
    return student


def _train(
    model: Any,
    samples: Arrays,
    objective: Objective,
    masks: Mapping[int, Any],
    options: ShrinkOptions,
    progress: Progress,
) -> None:
    rng = np.random.default_rng(options.seed)
    count = len(objective.targets)
    batch_size = min(options.batch_size, count)
    steps = options.epochs * (count // batch_size)
    step = _step(model, objective, masks, options, steps)
    ramp = Ramp(options.sparsity or 0.0)
    done = 0
    for _ in range(options.epochs):
        order = rng.permutation(count)
        loss = 0.0
        # Whole batches only: another shape would be compiled anew. Others are left out in each epoch.
        for start in range(0, count - batch_size + 1, batch_size):
            sparsity = ramp.due((done + 1) / steps)
            if sparsity is not None:
                for variable in model.trainable_variables:
                    if id(variable) in masks:
                        masks[id(variable)].assign(mask_of(variable, sparsity))
            rows = order[start : start + batch_size]
            batch = {name: values[rows] for name, values in samples.items()}
            loss = step(_fed(batch), objective.targets[rows])
            done += 1
            progress("fine-tune", done, steps)
        if not np.isfinite(float(loss)):
            raise ConversionError(
                "fine-tune-diverged",
                f"the loss is no longer a number after step {done} of {steps}",
                expected="a finite loss",
                received=str(float(loss)),
                hint=f"use a learning rate below {options.learning_rate:g}",
            )


def _step(
    model: Any,
    objective: Objective,
    masks: Mapping[int, Any],
    options: ShrinkOptions,
    steps: int,
) -> Callable[..., Any]:
    """One step of training as a compiled function of a batch's inputs and targets."""
    network = with_fake_quantized_activations(model) if options.quantization_aware else model
    rounded = {id(each.variable): each.channel_axes for each in kernels(model) if each.channel_axes}
    trainable, state = network.trainable_variables, network.non_trainable_variables
    for variable in state:
        if variable.name == "seed_generator_state":  # of dropout
            variable.assign(np.array([options.seed, 0]))
    rate = keras.optimizers.schedules.CosineDecay(options.learning_rate, steps)
    optimizer = keras.optimizers.Adam(rate)
    optimizer.build(trainable)
    loss_of = _loss(objective)

    def effective(variable: Any) -> Any:
        weights = variable.value
        if id(variable) in masks:
            weights = weights * masks[id(variable)]
        if options.quantization_aware and id(variable) in rounded:
            weights = fake_quantize_weights(weights, rounded[id(variable)])
        return weights

    def step(inputs: Any, targets: Any) -> Any:
        with tf.GradientTape() as tape:
            outputs, new_state = network.stateless_call(
                [effective(each) for each in trainable],
                [each.value for each in state],
                inputs,
                training=True,
            )
            outputs = keras.tree.flatten(outputs)[0]
            loss = loss_of(targets, outputs)
        optimizer.apply(tape.gradient(loss, [each.value for each in trainable]), trainable)
        for variable, value in zip(state, new_state, strict=True):
            variable.assign(value)
        return loss

    compiled: Callable[..., Any] = tf.function(step)
    return compiled


def _require_graph(model: Any) -> None:
    if not isinstance(model, keras.Sequential) and not hasattr(model, "operations"):
        raise _not_copied(model, "its layers are known to its own class alone")
    if not model.trainable_variables:
        raise SourceModelError(
            "nothing-to-train",
            f"every layer of the model {model.name} is frozen",
            expected="trainable layers",
            hint="set model.trainable = True, and save the model again",
        )


def _copy(model: Any) -> Any:
    try:
        copy = keras.models.clone_model(model)
        copy.set_weights(model.get_weights())
    except Exception as error:  # whatever a class of the user's own raises
        raise _not_copied(model, f"{type(error).__name__}: {str(error)[:300]}") from error
    return copy


def _not_copied(model: Any, reason: str) -> SourceModelError:
    return SourceModelError(
        "source-not-copied",
        f"the model {model.name} cannot be fine-tuned here: {reason}",
        expected="a Functional or Sequential model",
        hint="fine-tune it in its own training script, with the callback MagnitudePruning",
    )


def _loss(objective: Objective) -> Callable[[Any, Any], Any]:
    losses = keras.losses
    if objective.kind == "values":
        loss = losses.MeanSquaredError()
    elif objective.kind == "binary":
        loss = losses.BinaryCrossentropy(from_logits=objective.from_logits)
    else:
        loss = losses.SparseCategoricalCrossentropy(from_logits=objective.from_logits)
    typed: Callable[[Any, Any], Any] = loss
    return typed


def _by_name(model: Any, inputs: Arrays) -> Arrays:
    """The inputs by the model's own names: a single one may have the name that TFLite gave it."""
    if len(inputs) == len(model.inputs) == 1:
        return {model.inputs[0].name: next(iter(inputs.values()))}
    return inputs


def _fed(inputs: Arrays) -> Any:
    """Inputs as Keras takes them."""
    return inputs if len(inputs) > 1 else next(iter(inputs.values()))

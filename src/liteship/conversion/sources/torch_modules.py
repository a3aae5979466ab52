"""Loads a PyTorch source: a module that can be exported, and one sample of each of its inputs.

Imports PyTorch: runs in the child process only.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from liteship.conversion.sources.torch_archive import copy_harmless
from liteship.conversion.sources.torch_by_name import Loaded
from liteship.errors import ConfigurationError, ConversionError, SourceModelError

if TYPE_CHECKING:
    from liteship.conversion.sources.exported import ExportOptions
    from liteship.conversion.sources.pytorch import TorchFormat


_EXPORT_INSTEAD = """export the module with torch.export instead:
    program = torch.export.export(module.eval(), (example,))
    torch.export.save(program, 'model.pt2')"""
_BY_KEYWORD = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_TAKEN = (inspect.Parameter.POSITIONAL_ONLY, *_BY_KEYWORD)


def load(source: str, source_format: TorchFormat, options: ExportOptions) -> Loaded:
    """Loads a source; see `pytorch.export`."""
    if source_format == "torch-factory":
        return _from_factory(source, options)
    if source_format == "torch-export":
        return _from_export(Path(source), options)
    return _from_torchscript(Path(source), options)


def module_of(module: Any, example: Any, options: ExportOptions, what: str = "the module") -> Loaded:
    """A module of the user's, with a sample of each input from its examples or from the shapes given.

    Args:
        module: A `torch.nn.Module`; put into evaluation mode.
        example: A tensor, a tuple of them, a dict by argument name, or None.
        options: Shapes, where there are no examples or others are asked for.
        what: What the module is, for messages.

    Raises:
        ConfigurationError: `input-shape-missing`.
        SourceModelError: `source-inputs`.
    """
    module.eval()
    parameters = list(inspect.signature(module.forward).parameters.values())
    names = [each.name for each in parameters if each.kind in _TAKEN]
    needed = [each.name for each in parameters if each.kind in _TAKEN and each.default is each.empty]
    if isinstance(example, dict):
        examples = dict(example)
    else:
        positional = [] if example is None else [example] if torch.is_tensor(example) else list(example)
        names += [f"input_{index}" for index in range(len(names), len(positional))]  # of *args
        examples = dict(zip(names, positional, strict=False))
    strangers = [
        f"{name} is not a tensor" for name, each in examples.items() if not torch.is_tensor(each)
    ]
    strangers += [f"the module takes no {name}" for name in examples.keys() - set(names)]
    if strangers:
        raise SourceModelError(
            "source-inputs",
            f"the example inputs of {what} do not fit it",
            problems=strangers,
            expected=f"tensors for {', '.join(names)}",
            hint="return (module, example_inputs): a tensor, a tuple, or a dict by argument name",
        )
    shapes = _shapes_by_name(options, names, what, only=needed)
    wanted = [name for name in names if name in examples or name in shapes or name in needed]
    missing = [name for name in wanted if name not in examples and name not in shapes]
    if missing or not wanted:
        raise shape_missing(what, missing or ["NAME"])
    inputs = {}
    for name in wanted:
        dtype = examples[name].dtype if name in examples else torch.float32
        tensor = torch.zeros(shapes[name], dtype=dtype) if name in shapes else examples[name]
        inputs[name] = _one_sample(tensor, name, what)
    by_keyword = {each.name for each in parameters if each.kind in _BY_KEYWORD}
    keywords = frozenset(by_keyword & inputs.keys())  # one that is left out may stand between two
    return Loaded(module=module, reference=module, inputs=inputs, keywords=keywords)


def shape_missing(what: str, names: list[str]) -> ConfigurationError:
    """What to say where nothing tells an input's shape."""
    return ConfigurationError(
        "input-shape-missing",
        f"{what} does not say the shape of {', '.join(names)}",
        expected="the shape that the module takes, batch dimension included",
        hint=f"pass --input-shape {names[0]}=1,3,224,224, or return (module, example_inputs)",
    )


def _from_factory(source: str, options: ExportOptions) -> Loaded:
    module_name, _, attribute = source.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        made = getattr(importlib.import_module(module_name), attribute)
        if not isinstance(made, torch.nn.Module):
            made = made()
    except (Exception, SystemExit) as error:  # whatever the user's code raises
        raise SourceModelError(
            "source-factory",
            f"{source} makes no module: {type(error).__name__}: {str(error)[:300]}",
            expected=f"a function {attribute} in {module_name.replace('.', '/')}.py that returns a "
            "torch.nn.Module, or (module, example_inputs)",
            hint="run it by itself, in the folder that liteship is started in",
        ) from error
    module, example = made if isinstance(made, tuple) and len(made) == 2 else (made, None)
    if not isinstance(module, torch.nn.Module) or isinstance(module, torch.jit.ScriptModule):
        raise SourceModelError(
            "source-factory",
            f"{source} makes no module",
            expected="a torch.nn.Module that is not scripted, or (module, example_inputs)",
            received=type(module).__name__,
            hint="return the module itself",
        )
    return module_of(module, example, options, source)


def _from_export(path: Path, options: ExportOptions) -> Loaded:
    os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = "1"  # pickles of tensors alone, whoever asks
    with tempfile.TemporaryDirectory(prefix="liteship-pt2-") as folder:
        copy = Path(folder) / "model.pt2"
        copy_harmless(path, copy)
        try:
            program = torch.export.load(copy)
            module = program.module(check_guards=False)  # guards are Python code
        except Exception as error:  # PyTorch raises whatever a file leads it to
            raise SourceModelError(
                "source-corrupt",
                f"PyTorch cannot load {path}: {type(error).__name__}: {str(error)[:300]}",
                expected=f"an archive that torch.export.save of PyTorch {torch.__version__} can write",
                hint="export the module again with torch.export.save",
            ) from error
    _require_evaluation_mode(program, path)
    args, kwargs = program.call_spec.in_spec.children()
    names = list(program.graph_signature.user_inputs)
    keywords = list(kwargs.context)
    values = {
        node.name: node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder"
    }
    flat = len(names) == args.num_children + kwargs.num_children
    if not flat or not all(torch.is_tensor(values[name]) for name in names):
        raise SourceModelError(
            "source-inputs",
            f"{path} takes inputs that are not single tensors",
            expected="each argument of the module's forward a tensor",
            hint="wrap the module in one that takes tensors, and export that",
        )
    names[args.num_children :] = keywords
    placeholders = [values[name] for name in program.graph_signature.user_inputs]
    shapes = _shapes_by_name(options, names, str(path))
    inputs = {}
    for name, value in zip(names, placeholders, strict=True):
        sizes = [size if isinstance(size, int) else None for size in value.shape]
        if sizes and sizes[0] is None:
            sizes[0] = 1
        if name in shapes:
            sizes = list(shapes[name])
        if None in sizes:
            raise shape_missing(str(path), [name])
        inputs[name] = _one_sample(torch.zeros(sizes, dtype=value.dtype), name, str(path), fixed=True)
    return Loaded(module=module, reference=module, inputs=inputs, keywords=frozenset(keywords))


def _from_torchscript(path: Path, options: ExportOptions) -> Loaded:
    from torch._export.converter import TS2EPConverter

    try:
        script = torch.jit.load(path, map_location="cpu").eval()
        names = [argument.name for argument in script.forward.schema.arguments[1:]]
    except Exception as error:  # PyTorch raises whatever a file leads it to
        raise SourceModelError(
            "source-corrupt",
            f"PyTorch cannot load {path}: {type(error).__name__}: {str(error)[:300]}",
            expected="a file of torch.jit.save",
            hint=_EXPORT_INSTEAD,
        ) from error
    shapes = _shapes_by_name(options, names, str(path))
    missing = [name for name in names if name not in shapes]
    if missing:
        raise shape_missing(str(path), missing)
    inputs = {name: _one_sample(torch.zeros(shapes[name]), name, str(path)) for name in names}
    try:
        module = TS2EPConverter(script, tuple(inputs.values())).convert().module(check_guards=False)
    except Exception as error:  # a zoo, and best effort (decision record 9)
        raise ConversionError(
            "torchscript-conversion",
            f"{path} is TorchScript that PyTorch cannot turn into an exported program: "
            f"{type(error).__name__}: {str(error)[:300]}",
            hint=_EXPORT_INSTEAD,
        ) from error
    return Loaded(module=module, reference=script, inputs=inputs)


def _require_evaluation_mode(program: Any, path: Path) -> None:
    """Refuses what was exported while it was being trained: `.eval()` cannot undo that any more."""
    trained = [
        node.name
        for node in program.graph.nodes
        if ("dropout" in str(node.target) and len(node.args) > 2 and node.args[2] is True)
        or ("batch_norm" in str(node.target) and len(node.args) > 5 and node.args[5] is True)
    ]
    if trained:
        raise SourceModelError(
            "source-training",
            f"{path} was exported in training mode",
            problems=trained[:20],
            expected="dropout and batch normalisation in evaluation mode",
            hint="call module.eval() before torch.export.export",
        )


def _shapes_by_name(
    options: ExportOptions, names: list[str], what: str, only: list[str] | None = None
) -> dict[str, tuple[int, ...]]:
    """The shapes given, where `""` stands for the only input.

    Raises:
        ConfigurationError: `input-shape-invalid`.
    """
    candidates = only or names
    single = candidates[0] if len(candidates) == 1 else ""
    shapes = {name or single: shape for name, shape in options.input_shapes.items()}
    problems = [
        f"{what} has no input {name or 'without a name'}" for name in shapes.keys() - set(names)
    ]
    problems += [f"{name}: {shape}" for name, shape in shapes.items() if min(shape, default=0) < 1]
    if problems:
        raise ConfigurationError(
            "input-shape-invalid",
            f"the shapes given do not fit {what}",
            problems=problems,
            expected=f"shapes of {', '.join(names)}, every size at least 1",
            hint="give the shape as the module takes it, batch dimension included",
        )
    return shapes


def _one_sample(tensor: Any, name: str, what: str, *, fixed: bool = False) -> Any:
    """The first of a batch."""
    if tensor.ndim == 0 or tensor.shape[0] == 0 or (fixed and tensor.shape[0] != 1):
        raise SourceModelError(
            "source-batch",
            f"input {name} of {what} cannot have a batch of 1",
            expected="shape (1, …), or an open first dimension",
            received=f"shape {tuple(tensor.shape)}",
            hint="export the module with one sample, or with dynamic_shapes for its first dimension",
        )
    return tensor[:1].detach()

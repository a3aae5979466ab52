"""A PyTorch module whose inputs and outputs have names, and the converted model's layout.

Imports PyTorch: runs in the child process only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._pytree import tree_leaves

if TYPE_CHECKING:
    from collections.abc import Mapping

    Tensors = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A module in evaluation mode.

    Attributes:
        module: What `torch.export` takes.
        reference: The source itself, whose answers are the right ones; mostly the same module.
        inputs: One sample of each input, in the module's own layout, by its name and in its order.
        keywords: Names of the inputs that must be given as keywords.
    """

    module: Any
    reference: Any
    inputs: Tensors
    keywords: frozenset[str] = frozenset()


class ByName(torch.nn.Module):  # type: ignore[misc]  # PyTorch is not looked into
    """Calls a module by its inputs' names, with NHWC pictures where that is asked for.

    litert-torch's own `to_channel_last_io` knows inputs by position only, and then calls them `args_0`.
    """

    def __init__(self, module: Any, loaded: Loaded, *, channel_last: bool) -> None:
        super().__init__()
        self.module = module
        self.keywords = loaded.keywords
        self.names = list(loaded.inputs)
        self.channel_last = channel_last
        self.training = False  # not eval(), which exported programs refuse

    def forward(self, **inputs: Any) -> tuple[Any, ...]:
        """The outputs, in the order of `named_outputs`."""
        return tuple(self.named_outputs(inputs).values())

    def named_outputs(self, inputs: Mapping[str, Any]) -> Tensors:
        """The outputs by name: a dict's keys, a named tuple's fields, else `output` or `output_0`."""
        own = {name: self._as_module_takes(inputs[name]) for name in self.names}
        keywords = {name: own.pop(name) for name in self.keywords}
        outputs = self.module(*own.values(), **keywords)
        if hasattr(outputs, "_asdict"):
            outputs = outputs._asdict()
        if isinstance(outputs, dict):
            named = {str(key): each for key, each in outputs.items() if torch.is_tensor(each)}
        else:
            leaves = [each for each in tree_leaves(outputs) if torch.is_tensor(each)]
            named = {f"output_{index}": each for index, each in enumerate(leaves)}
            if torch.is_tensor(outputs):
                named = {"output": outputs}
        return {name: self.as_called(each) for name, each in named.items()}

    def as_called(self, tensor: Any) -> Any:
        """A tensor of the module's layout in the converted model's."""
        return tensor.permute(0, 2, 3, 1) if self.channel_last and tensor.ndim == 4 else tensor

    def _as_module_takes(self, tensor: Any) -> Any:
        return tensor.permute(0, 3, 1, 2) if self.channel_last and tensor.ndim == 4 else tensor

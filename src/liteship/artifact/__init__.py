"""The artifact: a folder with `model.tflite`, `model.json` and one golden input.

The one place where the build half and the run half meet. Standard library only.
"""

from liteship.artifact.folder import Artifact
from liteship.artifact.manifest import Manifest
from liteship.artifact.parts import Golden, Postprocessing, Preprocessing
from liteship.artifact.tensors import TensorSpec

__all__ = ["Artifact", "Golden", "Manifest", "Postprocessing", "Preprocessing", "TensorSpec"]

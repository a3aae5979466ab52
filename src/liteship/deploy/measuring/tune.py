"""What one image takes at each of Lambda's sizes, measured; `advice` says what to make of it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from liteship.deploy.measuring.container import LambdaContainer, OutOfMemoryError
from liteship.deploy.measuring.measure import typical_event
from liteship.errors import ConfigurationError, DeploymentError, PackagingError
from liteship.packaging import docker
from liteship.packaging.image import package_image, require_fresh
from liteship.packaging.quotas import MEMORY_MIB, ONE_CPU_MIB

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from liteship.project import FunctionFolder

SIZES_MIB = (128, 256, 512, 1024, 1769)
COLD_STARTS = 5
SAMPLES = 300


@dataclass(frozen=True, kw_only=True)
class Size:
    """One of Lambda's sizes and what the function took there.

    Attributes:
        memory_mib: The memory.
        cpus: Lambda's share of processors for it.
        init_ms: Every cold start's init phase; empty where nothing could be measured.
        cold_ms: The first request after each of them, without the init.
        warm_ms: Every other request.
        peak_bytes: Most memory that the function's process held.
        problem: Why nothing was measured, or why this size will not do.
    """

    memory_mib: int
    cpus: float
    init_ms: tuple[float, ...] = ()
    cold_ms: tuple[float, ...] = ()
    warm_ms: tuple[float, ...] = ()
    peak_bytes: int = 0
    problem: str = ""

    @property
    def mean_ms(self) -> float:
        """Of the warm requests, each rounded up to the millisecond that is billed."""
        return sum(map(math.ceil, self.warm_ms)) / len(self.warm_ms)


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest of the values that at least so many percent of them do not exceed."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def parse_sizes(text: str) -> tuple[int, ...]:
    """Reads `128,256,…`; ascending, each once.

    Raises:
        ConfigurationError: `sizes-invalid`.
    """
    words = [word.strip() for word in text.split(",")]
    least, greatest = MEMORY_MIB
    if all(word.isascii() and word.isdecimal() and len(word) <= 5 for word in words):
        sizes = sorted({int(word) for word in words})
        if least <= sizes[0] and sizes[-1] <= greatest:
            return tuple(sizes)
    raise ConfigurationError(
        "sizes-invalid",
        "the sizes cannot be used",
        expected=f"whole numbers from {least} to {greatest:,} MiB, such as 128,256,512",
        received=text,
        hint="leave --sizes out to measure the usual ones",
    )


def tuned_image(function: FunctionFolder, image: str | None, base_image: str | None) -> str:
    """The image to measure: the one asked for, or what `liteship package --as image` builds.

    Args:
        function: The function.
        image: An image of it under another name; taken as it is.
        base_image: What to build the usual one on, where it is missing.

    Raises:
        PackagingError: `image-missing`, `image-stale`, or what `package_image` raises.
    """
    if image is not None:
        if docker.inspect_image(image) is None:
            raise PackagingError(
                "image-missing",
                f"the Docker engine has no image {image}",
                hint=f"leave --image out, or build it: liteship package {function.config.name} "
                f"--as image --tag {image}",
            )
        return image
    reference = image_reference(function)
    if docker.inspect_image(reference) is None:
        return package_image(function, base_image=base_image).reference
    require_fresh(function, reference)
    return reference


def image_reference(function: FunctionFolder) -> str:
    """The tag that `liteship package --as image` gives by default."""
    return f"liteship/{function.config.name}:v{function.config.version}"


def measure_sizes(
    function: FunctionFolder,
    image: str,
    emulator: Path,
    processors: int,
    sizes_mib: Sequence[int],
    samples: int,
    report: Callable[[int], None],
) -> list[Size]:
    """Measures every size that the engine's processors can stand for.

    Args:
        function: The function.
        image: Its image.
        emulator: The emulator's binary.
        processors: What the engine has.
        sizes_mib: Lambda's sizes, as `parse_sizes` gives them.
        samples: Warm requests a size, spread over its cold starts.
        report: Called with each size before it is measured.

    Raises:
        DeploymentError: `container-failed`, `image-fails`.
    """
    event, _ = typical_event(function)
    found = []
    for memory_mib in sizes_mib:
        report(memory_mib)
        if memory_mib / ONE_CPU_MIB > processors:
            problem = f"needs more than the {processors} processors of this engine"
            found.append(_unmeasured(memory_mib, problem))
            continue
        try:
            found.append(_measure(function, image, emulator, memory_mib, event, samples))
        except OutOfMemoryError:
            found.append(_unmeasured(memory_mib, "too small: the kernel ended it for want of memory"))
    return found


def _unmeasured(memory_mib: int, problem: str) -> Size:
    return Size(memory_mib=memory_mib, cpus=memory_mib / ONE_CPU_MIB, problem=problem)


def _measure(
    function: FunctionFolder,
    image: str,
    emulator: Path,
    memory_mib: int,
    event: dict[str, Any],
    samples: int,
) -> Size:
    init_ms: list[float] = []
    cold_ms: list[float] = []
    warm_ms: list[float] = []
    peak_bytes = 0
    for _ in range(COLD_STARTS):
        with LambdaContainer(function, image, emulator, memory_mib) as container:
            for _ in range(1 + -(-samples // COLD_STARTS)):
                _require_success(container.invoke(event), image)
            inits, requests = container.phases_ms()
            peak_bytes = max(peak_bytes, container.peak_bytes())
        if not inits or not requests:
            raise DeploymentError(
                "emulator-silent",
                "the emulator does not log how long a function took",
                hint="install the version that the tests use: make .tools/sam",
            )
        init_ms += inits
        cold_ms.append(requests[0])
        warm_ms += requests[1:]
    return Size(
        memory_mib=memory_mib,
        cpus=memory_mib / ONE_CPU_MIB,
        init_ms=tuple(init_ms),
        cold_ms=tuple(cold_ms),
        warm_ms=tuple(warm_ms),
        peak_bytes=peak_bytes,
    )


def _require_success(answer: Any, image: str) -> None:
    if not isinstance(answer, dict) or answer.get("statusCode") != 200:
        raise DeploymentError(
            "image-fails",
            f"the function in {image} does not answer its own golden input",
            expected="status 200",
            received=json.dumps(answer)[:500],
            hint="build the image again: liteship package NAME --as image",
        )

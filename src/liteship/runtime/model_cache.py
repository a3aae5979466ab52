"""Models that are loaded when they are first asked for, and leave when memory is short.

What a loaded model counts: how much the process has grown while it was loaded (the file in memory,
LiteRT's packed weights, the tensors of one interpreter), at least its file's size. All but the file
counts once for each worker, as each may come to need an interpreter of its own. Not counted are the
function's own model, which always stays, and what a request holds: a picture, say. A model that leaves
while it answers is freed when it has answered.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import threading
import time

from liteship.errors import LiteshipError, NotReadyError
from liteship.runtime.function import MOST_RETRY_S, RETRY_S

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from liteship.runtime.predictor import Predictor
    from liteship.runtime.telemetry import Telemetry


class Slot:
    """One version of one model.

    Args:
        name: The model's.
        version: Its version.
        load: Gives the predictor, self-test passed.
        file_bytes: Size of its `model.tflite`.
        is_kept: `load` keeps what it gives, and is asked each time: it counts nothing, and stays.
    """

    def __init__(
        self,
        name: str,
        version: str,
        load: Callable[[], Predictor],
        *,
        file_bytes: int = 0,
        is_kept: bool = False,
    ) -> None:
        self.name = name
        self.version = version
        self.load = load
        self.is_kept = is_kept
        self.is_unloaded = False
        self.predictor: Predictor | None = None
        self.failure: LiteshipError | None = None
        self.retry_at_s = 0.0
        self.retry_s = RETRY_S
        self.used = 0
        self.file_bytes = file_bytes
        self.grown_bytes = 0

    def size_bytes(self, workers: int) -> int:
        """What it counts while it is loaded, or counted when it last was."""
        interpreter_bytes = max(self.grown_bytes - self.file_bytes, 0)
        return self.file_bytes + workers * interpreter_bytes

    def refusal(self) -> NotReadyError | None:
        """Why it would not answer now; None where it would, or has not been tried."""
        if self.is_kept:
            try:
                self.load()
            except NotReadyError as error:
                return error
            return None
        if self.is_unloaded:
            return NotReadyError(
                "model-unloaded",
                f"model {self.name} version {self.version} has been unloaded",
                hint=f"POST /v2/repository/models/{self.name}/load",
            )
        return None if self.failure is None else _not_ready(self, self.failure)


class ModelCache:
    """Loads one model at a time, whoever asks; those that are loaded answer meanwhile.

    Args:
        budget_bytes: What all may count together; None for any. A model that alone counts more is
            served all the same, without any other, and the log says so.
        telemetry: Where loading, failures and evictions are logged.

    Attributes:
        workers: Predictions that run at once.
    """

    def __init__(self, budget_bytes: int | None, telemetry: Telemetry) -> None:
        self.workers = 1
        self._budget_bytes = budget_bytes
        self._telemetry = telemetry
        self._loaded: list[Slot] = []
        self._lock = threading.Lock()
        self._clock = itertools.count(1)  # whose next is atomic

    def get(self, slot: Slot) -> Predictor:
        """The model, loaded now if it was not.

        Raises:
            NotReadyError: `model-unloaded`, or the reference of what failed: it is tried again after
                `RETRY_S`, and then more and more seldom.
        """
        if slot.is_kept:
            return slot.load()
        slot.used = next(self._clock)
        predictor = slot.predictor
        if predictor is not None:
            return predictor
        with self._lock:
            refusal = slot.refusal()
            if refusal is not None and (slot.is_unloaded or time.monotonic() < slot.retry_at_s):
                raise refusal
            return slot.predictor or self._load(slot)

    def load(self, slot: Slot) -> None:
        """Makes a model that was unloaded, or failed, answer again.

        Raises:
            NotReadyError: As `get`.
        """
        slot.is_unloaded = False
        slot.retry_at_s = 0.0
        self.get(slot)

    def unload(self, slot: Slot) -> None:
        """Takes a model away until `load`; predictions that are running end as they would."""
        with self._lock:
            slot.is_unloaded = True
            slot.failure = None
            if slot.predictor is not None:
                self._drop(slot, "model unloaded")

    def _load(self, slot: Slot) -> Predictor:
        start = time.perf_counter()
        self._make_room(slot)
        before_bytes = resident_bytes()
        try:
            predictor = slot.load()
        except Exception as error:  # whatever it is, this model alone is not ready
            slot.failure = self._reason(error)
            slot.retry_at_s = time.monotonic() + slot.retry_s
            slot.retry_s = min(2 * slot.retry_s, MOST_RETRY_S)
            self._telemetry.error("model not ready", **_identity(slot), **slot.failure.as_dict())
            raise _not_ready(slot, slot.failure) from error
        slot.grown_bytes = max(resident_bytes() - before_bytes, slot.file_bytes)
        slot.predictor, slot.failure, slot.retry_s = predictor, None, RETRY_S
        self._loaded.append(slot)
        self._telemetry.info(
            "model ready",
            **_identity(slot),
            load_ms=round((time.perf_counter() - start) * 1e3, 2),
            counted_bytes=slot.size_bytes(self.workers),
        )
        self._make_room(slot)
        return predictor

    def _reason(self, error: Exception) -> LiteshipError:
        """What is kept of a failure: never raised, as each raise would add a traceback to it."""
        if not isinstance(error, LiteshipError):
            self._telemetry.refused(error, 503)  # with its traceback
            hint = "look for 'refused' in the function's log"
            return NotReadyError("model-not-ready", type(error).__name__, hint=hint)
        return NotReadyError(
            error.reference,
            error.message,
            expected=error.expected,
            received=error.received,
            problems=error.problems,
            hint=error.hint,
        )

    def _make_room(self, slot: Slot) -> None:
        """Drops what was used longest ago until this one fits, as far as its size is known."""
        if self._budget_bytes is None:
            return
        others = sorted((each for each in self._loaded if each is not slot), key=lambda each: each.used)
        needed_bytes = sum(each.size_bytes(self.workers) for each in (*others, slot))
        for other in others:
            if needed_bytes <= self._budget_bytes:
                break
            needed_bytes -= other.size_bytes(self.workers)
            self._drop(other, "model evicted")
        if needed_bytes > self._budget_bytes and slot.predictor is not None:
            self._telemetry.warning(
                "model exceeds models.memory_mib alone",
                **_identity(slot),
                counted_bytes=needed_bytes,
                budget_bytes=self._budget_bytes,
            )

    def _drop(self, slot: Slot, message: str) -> None:
        self._loaded.remove(slot)
        slot.predictor = None
        give_back_memory()
        self._telemetry.info(message, **_identity(slot))


def resident_bytes() -> int:
    """Memory that the process holds now; 0 where /proc does not say."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")
    except (OSError, ValueError, IndexError):
        return 0


def give_back_memory() -> None:
    """Returns freed memory to the operating system; only glibc offers it.

    https://man7.org/linux/man-pages/man3/malloc_trim.3.html
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _identity(slot: Slot) -> dict[str, str]:
    return {"model": slot.name, "version": slot.version}


def _not_ready(slot: Slot, reason: LiteshipError) -> NotReadyError:
    return NotReadyError(
        reason.reference,
        f"model {slot.name} version {slot.version} is not ready: {reason.message}",
        expected=reason.expected,
        received=reason.received,
        hint=reason.hint,
    )

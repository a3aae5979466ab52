"""What can be told of the engine without one; tests/e2e/test_package_image.py has the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from liteship.errors import PackagingError
from liteship.packaging.docker import explain_build, require_engine

if TYPE_CHECKING:
    from pathlib import Path

CLASSIC = """\
DEPRECATED: The legacy builder is deprecated and will be removed in a future release.
            Install the buildx component to build images with BuildKit:
            https://docs.docker.com/go/buildx/

Sending build context to Docker daemon  690.2kB
Step 8/46 : RUN echo one
 ---> Running in 80d40a175945
one
Removing intermediate container 80d40a175945
Step 9/46 : RUN test
 ---> Running in 91d40a175945
\x1b[91mthe build image has Python 3.13, but the function needs 3.12

\x1b[0mThe command '/bin/sh -c test' returned a non-zero code: 1
"""
BUILDKIT = """\
#5 [layers 4/9] RUN echo one
#5 0.201 one
#5 DONE 0.3s
#7 [code 4/4] RUN test
#7 0.245 the function's code does not compile
#7 0.246   next step: correct the line
#7 ERROR: process "/bin/sh -c test" did not complete successfully: exit code: 1
------
 > [code 4/4] RUN test:
0.245 the function's code does not compile
------
ERROR: failed to solve: process "/bin/sh -c test" did not complete successfully: exit code: 1
"""
BUILDKIT_COPY = """\
#9 [layers 3/9] COPY layers/gone gone
#9 ERROR: failed to calculate checksum: "/layers/gone": not found
ERROR: failed to solve: failed to compute cache key
"""


@pytest.mark.parametrize(
    ("output", "lines"),
    [
        (CLASSIC, ["the build image has Python 3.13, but the function needs 3.12"]),
        (BUILDKIT, ["the function's code does not compile", "  next step: correct the line"]),
        (BUILDKIT_COPY, ['failed to calculate checksum: "/layers/gone": not found']),
        ("unable to prepare context\n", ["unable to prepare context"]),
        ("Step 1/1 : RUN x\nThe command 'x' returned a non-zero code: 1\n", None),
    ],
)
def test_a_failed_build_is_told_in_its_own_words(output: str, lines: list[str] | None) -> None:
    assert explain_build(output) == (lines or ["The command 'x' returned a non-zero code: 1"])


def test_a_long_story_is_cut_to_its_end() -> None:
    lines = explain_build("Step 1/1 : RUN x\n" + "".join(f"line {number}\n" for number in range(99)))
    assert lines[-1] == "line 98"
    assert len(lines) < 20


def test_without_docker_the_error_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PackagingError) as raised:
        require_engine()
    assert raised.value.reference == "docker-missing"
    assert "--as zip" in raised.value.hint

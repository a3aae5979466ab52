"""What stands in the way of an image: each a clear error, and nothing left behind."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from liteship.artifact.folder import MODEL_FILE
from liteship.errors import LiteshipError, PackagingError
from liteship.packaging.image import normalise_image, package_image, require_fresh

if TYPE_CHECKING:
    from collections.abc import Callable

    from liteship.project import FunctionFolder

    Run = Callable[..., str]

pytestmark = pytest.mark.e2e


def error_of(function: FunctionFolder, **options: Any) -> LiteshipError:
    with pytest.raises(LiteshipError) as raised:
        package_image(function, **options)
    assert raised.value.hint
    return raised.value


def test_a_base_image_for_another_processor_is_refused(
    function: FunctionFolder, arm64_base: str, tag: str
) -> None:
    refused = error_of(function, base_image=arm64_base, tag=tag)
    assert refused.reference == "base-image-missing"
    assert "the one here is for arm64" in str(refused.received)


def test_an_engine_that_is_not_running_is_named(
    function: FunctionFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
        refused = error_of(function)
    assert refused.reference == "docker-unreachable"
    assert "nobody.sock" in str(refused.received)
    assert "start it" in refused.hint


def test_a_base_image_that_nobody_has_is_named(function: FunctionFolder, closed_port: int) -> None:
    missing = f"127.0.0.1:{closed_port}/nobody/has:this"
    refused = error_of(function, base_image=missing)
    assert refused.reference == "base-image-missing"
    assert missing in refused.message
    assert refused.hint.endswith("--base-image IMAGE")


def test_the_wrong_python_is_refused(
    configure: Callable[[str, str], FunctionFolder],
    base_image: str,
    tag: str,
    leftovers: Callable[[], list[str]],
) -> None:
    function = configure('python = "3.13"', 'python = "3.12"')
    refused = error_of(function, base_image=base_image, tag=tag)
    assert refused.reference == "image-build-failed"
    (problem,) = refused.problems
    assert problem.startswith("the build image has Python 3.13, but the function needs 3.12:")
    assert not leftovers()


def test_code_that_does_not_compile_is_told_by_the_build(
    function: FunctionFolder, base_image: str, tag: str
) -> None:
    (function.folder / "app.py").write_text("handler = (\n")
    refused = error_of(function, base_image=base_image, tag=tag)
    assert refused.reference == "image-build-failed"
    told = "\n".join(refused.problems)
    assert "the function's code does not compile" in told
    assert "app.py" in told
    assert not re.search(r"Step \d|--->|/bin/sh -c", told)


def test_a_damaged_artifact_is_told_before_anything_is_built(function: FunctionFolder) -> None:
    (function.model_folder / MODEL_FILE).write_bytes(b"damaged")
    refused = error_of(function)
    assert refused.reference == "artifact-digest"


def test_a_folder_that_cannot_be_written_is_named(
    function: FunctionFolder, base_image: str, tag: str
) -> None:
    (function.root / "build").write_text("a file where a folder is needed\n")
    with pytest.raises(PackagingError) as raised:
        package_image(function, base_image=base_image, tag=tag)
    assert raised.value.reference == "image-unwritable"
    assert str(function.root / "build") in raised.value.message


def test_images_of_others_are_not_touched(function: FunctionFolder, base_image: str) -> None:
    with pytest.raises(PackagingError) as raised:
        normalise_image(base_image, function)
    assert raised.value.reference == "image-foreign"
    with pytest.raises(PackagingError) as raised:
        require_fresh(function, "liteship-e2e/nobody-built:this")
    assert raised.value.reference == "image-missing"


@pytest.mark.parametrize(
    ("moment", "signal_sent"), [("building", signal.SIGINT), ("rewriting", signal.SIGTERM)]
)
def test_an_interruption_leaves_nothing_behind(
    function: FunctionFolder,
    base_image: str,
    tag: str,
    leftovers: Callable[[], list[str]],
    wait_for: Callable[..., None],
    run_command: Run,
    *,
    moment: str,
    signal_sent: signal.Signals,
) -> None:
    command = [sys.executable, "-m", "liteship", "package", "digits", "--as=image"]
    command += [f"--base-image={base_image}", f"--tag={tag}"]
    process = subprocess.Popen(
        [*command, "--no-cache"] if moment == "building" else command,
        cwd=function.root,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    if moment == "building":
        wait_for(lambda: b"build --file" in children_of(process.pid), process)
    else:
        wait_for(lambda: any((function.root / "build").glob("digits/.image-*/*")), process)
    process.send_signal(signal_sent)
    _, said = process.communicate()
    assert process.returncode == 130, said
    assert b"Traceback" not in said
    assert not leftovers()
    assert tag not in run_command("docker", "image", "ls", "--format={{.Repository}}:{{.Tag}}")


def children_of(pid: int) -> bytes:
    """The command lines of a process's children, words separated by blanks."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    lines = b""
    for child in children:
        with contextlib.suppress(OSError):
            lines += Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ")
    return lines


def test_options_of_the_other_form_are_refused() -> None:
    for arguments, option in (
        (["--as=image", "--python=3.14"], "--python"),
        (["--as=zip", "--base-image=x"], "--base-image"),
        (["--as=zip", "--no-cache"], "--no-cache"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "liteship", "package", "digits", *arguments],
            env=os.environ | {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert option in done.stderr
        assert "does not go with --as" in done.stderr

"""A wheel installed without extras holds what it should, and can serve."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx
import pytest

from liteship.deploy.local.emulator import free_port

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).parent / "uv"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([UV, "build", "--quiet", "--wheel", "--out-dir", folder, ROOT], check=True)
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
    sources = {
        str(path.relative_to(ROOT / "src"))
        for path in (ROOT / "src" / "liteship").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert set(names) == sources


def test_it_serves_without_extras(wheel: Path, tmp_path: Path, digit_png: bytes) -> None:
    environment = tmp_path / "environment"
    python = environment / "bin" / "python"
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, environment], check=True)
    constraints = tmp_path / "constraints.txt"
    locked = (ROOT / "requirements" / "dev.txt").read_text().splitlines()
    pins = [line.split(" \\")[0] for line in locked if line[:1].isalnum()]
    constraints.write_text("\n".join(pins))
    install = f"{UV} pip install --quiet --python {python} --constraint {constraints} {wheel}"
    subprocess.run(install.split(), check=True)

    missing = subprocess.run([python, "-c", "import tensorflow"], capture_output=True, check=False)
    assert missing.returncode != 0

    port = free_port()
    server = subprocess.Popen(
        [python, "-m", "liteship.runtime", "app.handler"],
        cwd=ROOT / "functions" / "digits",
        env=os.environ | {"PORT": str(port), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        while '"serving"' not in (line := server.stdout.readline()):
            assert line, "the server ended"
        with httpx.Client(transport=httpx.HTTPTransport(retries=20)) as client:
            response = client.post(
                f"http://127.0.0.1:{port}/predict",
                content=digit_png,
                headers={"content-type": "image/png"},
            )
    finally:
        server.terminate()
        server.communicate()
    assert response.json()["predictions"][0]["label"] == "7"

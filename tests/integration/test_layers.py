"""Packs every function for the running Python, and runs what was packed and nothing else."""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from moto.server import ThreadedMotoServer
from PIL import Image, ImageDraw
from sklearn.datasets import load_wine

from liteship.deploy.local.events import http_event
from liteship.errors import PackagingError
from liteship.packaging.layers import build_layers
from liteship.packaging.package import Package, package_zip
from liteship.project import load_function, load_functions

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
EVENTS = ROOT / "tests" / "data" / "events"
HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"
MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def package() -> Package:
    """For the Python that runs this test."""
    return package_zip(load_function("digits", ROOT), python=HERE)


@pytest.fixture(scope="module")
def lambda_package() -> Package:
    """For the Python in function.toml."""
    return package_zip(load_function("digits", ROOT))


@pytest.fixture(scope="module")
def unpacked(package: Package, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The zip files as Lambda unpacks them: the function, and the layers' common folder."""
    folders = {"function": tmp_path_factory.mktemp("task"), "web": tmp_path_factory.mktemp("opt")}
    for part in package.parts:
        with zipfile.ZipFile(part.path) as archive:
            archive.extractall(folders[part.name])
    return folders


def run_isolated(path: tuple[Path, ...], script: str, stdin: str = "") -> Any:
    """Runs a script that sees the standard library and `path`; gives the JSON it printed last."""
    done = subprocess.run(
        [sys.executable, "-S", "-c", script],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(map(str, path))},
        cwd=path[0],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


ANSWER = """
import json, sys, app
answer = app.handler(json.load(sys.stdin), None)
print(json.dumps({"answer": answer, "modules": sorted(sys.modules), "path": sys.path}))
"""


def wine_event() -> str:
    """A Barolo's analysis as an HTTP event."""
    body = json.dumps({"inputs": {"measurements": load_wine().data[0].tolist()}}).encode()
    return json.dumps(http_event("POST", "/predict", body, "application/json"))


def shapes_event() -> str:
    """A picture of a bright circle on dark ground as an HTTP event."""
    picture = Image.new("RGB", (120, 120), (30, 60, 20))
    ImageDraw.Draw(picture).ellipse((20, 20, 100, 100), (240, 170, 200))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return json.dumps(http_event("POST", "/predict", buffer.getvalue(), "image/png"))


# For every function: a real request, what is the best answer to it, and what its zip may weigh
EXAMPLES: dict[str, tuple[Callable[[], str], str, int]] = {
    "digits": ((EVENTS / "http_v2.json").read_text, "7", 9 * MEGABYTE),
    "shapes": (shapes_event, "circle", 9 * MEGABYTE),
    "wine": (wine_event, "Barolo", 5 * MEGABYTE),
}


def test_every_function_is_proven_here() -> None:
    assert {each.config.name for each in load_functions(ROOT)} == EXAMPLES.keys()


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_unpacked_zip_alone_answers(name: str, tmp_path: Path) -> None:
    event, label, _ = EXAMPLES[name]
    function = package_zip(load_function(name, ROOT), python=HERE).parts[0]
    with zipfile.ZipFile(function.path) as archive:
        archive.extractall(tmp_path)
    result = run_isolated((tmp_path,), ANSWER, event())
    assert result["answer"]["statusCode"] == 200
    assert json.loads(result["answer"]["body"])["predictions"][0]["label"] == label
    assert not {"numpy", "ai_edge_litert", "fastapi"} & set(result["modules"])
    assert not [entry for entry in result["path"] if entry.endswith("site-packages")]


@pytest.mark.parametrize("python", [None, HERE], ids=["function.toml", "here"])
@pytest.mark.parametrize("name", EXAMPLES)
def test_a_zip_function_is_small(name: str, python: str | None) -> None:
    """With byte code (for the running Python) and, where that is another, without."""
    *_, goal_bytes = EXAMPLES[name]
    function, web = package_zip(load_function(name, ROOT), python=python).parts
    assert {"code", "model", "litert"} <= {content.name for content in function.contents}
    assert function.path.stat().st_size == function.zipped_bytes < goal_bytes
    assert web.path.stat().st_size == web.zipped_bytes <= 10 * MEGABYTE


@pytest.mark.parametrize("python", [None, HERE], ids=["function.toml", "here"])
def test_litert_takes_little_room(python: str | None) -> None:
    function = package_zip(load_function("wine", ROOT), python=python).parts[0]
    (litert,) = (content for content in function.contents if content.name == "litert")
    assert litert.unzipped_bytes <= 8.1 * MEGABYTE
    with zipfile.ZipFile(function.path) as archive:
        zipped = [each for each in archive.infolist() if each.filename.startswith("ai_edge_litert")]
    assert sum(each.file_size for each in zipped) == litert.unzipped_bytes
    assert sum(each.compress_size for each in zipped) <= 3.3 * MEGABYTE


def test_what_an_image_adds_to_its_base_is_small(package: Package) -> None:
    """As a container engine counts it, unpacked; the image itself is built in tests/e2e."""
    files = (path for folder in package.python_path for path in folder.rglob("*") if path.is_file())
    assert sum(path.stat().st_size for path in files) <= 45 * MEGABYTE


def test_no_library_carries_debug_information(package: Package) -> None:
    libraries = [path for folder in package.python_path for path in folder.rglob("*.so*")]
    assert libraries
    for path in libraries:
        content = path.read_bytes()
        (sections,) = struct.unpack_from("<Q", content, 40)
        entry_bytes, count = struct.unpack_from("<HH", content, 58)
        kinds = [
            struct.unpack_from("<I", content, sections + index * entry_bytes + 4)[0]
            for index in range(count)
        ]
        assert 2 not in kinds, path  # SHT_SYMTAB


def test_everything_else_answers_with_the_web_layer(unpacked: dict[str, Path]) -> None:
    event = json.loads((ROOT / "tests" / "data" / "events" / "http_v2.json").read_text())
    event["rawPath"] = event["requestContext"]["http"]["path"] = "/nowhere"
    path = (unpacked["function"], unpacked["web"] / "python")
    result = run_isolated(path, ANSWER, json.dumps(event))
    assert result["answer"]["statusCode"] == 404
    assert json.loads(result["answer"]["body"])["reference"] == "route-unknown"
    assert "fastapi" in result["modules"]
    assert "numpy" not in result["modules"]


@pytest.mark.parametrize("path", ["/docs", "/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css"])
def test_the_web_layer_holds_swagger_ui_whose_package_is_not_imported(
    path: str, unpacked: dict[str, Path]
) -> None:
    python_path = (unpacked["function"], unpacked["web"] / "python")
    result = run_isolated(python_path, ANSWER, json.dumps(http_event("GET", path, b"", "")))
    assert result["answer"]["statusCode"] == 200
    assert len(result["answer"]["body"]) > 300
    assert "fastapi_offline" not in result["modules"]


def test_boto3_keeps_the_services_of_the_triggers(package: Package) -> None:
    script = """
import json, boto3
options = {"region_name": "eu-central-1", "aws_access_key_id": "a", "aws_secret_access_key": "b"}
services = boto3.session.Session().get_available_services()
url = boto3.client("s3", **options).generate_presigned_url(
    "get_object", Params={"Bucket": "pictures", "Key": "7.png"})
print(json.dumps({"services": services, "url": url}))
"""
    result = run_isolated(package.python_path, script)
    assert result["services"] == ["s3", "sqs", "sts"]
    assert "pictures" in result["url"]


CALL = """
import boto3, io, json
s3, sqs = (boto3.client(name) for name in ("s3", "sqs"))
s3.create_bucket(Bucket="layer")
s3.put_object(Bucket="layer", Key="a b", Body=b"x", ContentType="text/plain")
found = s3.get_object(Bucket="layer", Key="a b")
names = [each["Key"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket="layer")
    for each in page["Contents"]]
try:
    s3.get_object(Bucket="layer", Key="nothing")
except s3.exceptions.NoSuchKey as error:
    names.append(error.response["Error"]["Code"])
queue = sqs.create_queue(QueueName="layer")["QueueUrl"]
sqs.send_message(QueueUrl=queue, MessageBody="m")
(message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
names += [found["Body"].read().decode(), found["ContentType"], message["Body"]]
names += [boto3.client("sts").get_caller_identity()["Account"]]
boto3.resource("s3").Object("layer", "a b").upload_fileobj(io.BytesIO(b"yy"))
names += [s3.head_object(Bucket="layer", Key="a b")["ContentLength"]]
print(json.dumps(names))
"""


def test_slimmed_boto3_calls_what_the_triggers_need(package: Package) -> None:
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1"}
    given = "".join(f"os.environ[{name!r}] = {value!r}\n" for name, value in keys.items())
    script = f"import os\n{given}os.environ['AWS_ENDPOINT_URL'] = {url!r}\n{CALL}"
    answers = run_isolated(package.python_path, script)
    server.stop()
    assert answers == ["a b", "NoSuchKey", "x", "text/plain", "m", "123456789012", 2]


def pictures() -> dict[str, bytes]:
    """One picture in each answered format, and in the forms that need other code of Pillow's."""
    rgb = Image.frombytes("RGB", (33, 21), bytes(7 * n * n % 251 for n in range(33 * 21 * 3)))
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation
    saved: dict[str, Callable[[io.BytesIO], None]] = {
        "png": lambda file: rgb.save(file, "PNG"),
        "png-palette": lambda file: rgb.quantize(16).save(file, "PNG", transparency=0),
        "png-grey-alpha": lambda file: rgb.convert("LA").save(file, "PNG"),
        "jpeg": lambda file: rgb.save(file, "JPEG"),
        "jpeg-progressive": lambda file: rgb.save(file, "JPEG", progressive=True),
        "jpeg-cmyk": lambda file: rgb.convert("CMYK").save(file, "JPEG"),
        "jpeg-exif": lambda file: rgb.save(file, "JPEG", exif=exif, dpi=(300, 300)),
        "webp": lambda file: rgb.save(file, "WEBP"),
        "webp-lossless": lambda file: rgb.convert("RGBA").save(file, "WEBP", lossless=True),
        "webp-animated": lambda file: rgb.save(
            file, "WEBP", save_all=True, append_images=[rgb.rotate(180)]
        ),
        "gif": lambda file: rgb.save(file, "GIF"),
        "gif-animated": lambda file: rgb.save(
            file, "GIF", save_all=True, append_images=[rgb.rotate(180)]
        ),
        "bmp": lambda file: rgb.save(file, "BMP"),
        "bmp-grey": lambda file: rgb.convert("L").save(file, "BMP"),
    }
    result = {}
    for name, save in saved.items():
        buffer = io.BytesIO()
        save(buffer)
        result[name] = buffer.getvalue()
    return result


# the first line is also how liteship's own codec opens a picture: the format's class by name
DECODE = """
import hashlib, io, json, sys
from PIL import Image
digests = {}
for name, content in json.load(sys.stdin).items():
    with Image.open(io.BytesIO(bytes.fromhex(content))) as image:
        image.getexif()
        small = image.convert("RGB").resize((8, 8), Image.Resampling.BILINEAR)
    digests[name] = hashlib.sha256(small.tobytes()).hexdigest()
print(json.dumps([Image.__file__, digests]))
"""


def test_slimmed_pillow_decodes_what_the_whole_one_does(package: Package) -> None:
    content = json.dumps({name: body.hex() for name, body in pictures().items()})
    file, slimmed = run_isolated(package.python_path, DECODE, content)
    assert str(ROOT / "build" / "layers") in file
    whole = subprocess.run(
        [sys.executable, "-c", DECODE], input=content, capture_output=True, text=True, check=True
    )
    file, expected = json.loads(whole.stdout)
    assert "build" not in Path(file).parts
    assert slimmed == expected


def test_no_zip_holds_numpy(package: Package, lambda_package: Package) -> None:
    for part in (*package.parts, *lambda_package.parts):
        with zipfile.ZipFile(part.path) as archive:
            names = archive.namelist()
        assert names
        assert not [name for name in names if "numpy" in name.split("/")]


def test_packing_again_gives_the_same_bytes(package: Package) -> None:
    before = [part.path.read_bytes() for part in package.parts]
    again = package_zip(load_function("digits", ROOT), python=HERE)
    assert again == package
    assert [part.path.read_bytes() for part in again.parts] == before


def test_byte_code_is_included_where_it_is_the_target_s(
    package: Package, lambda_package: Package
) -> None:
    assert package.has_byte_code
    assert lambda_package.has_byte_code == (lambda_package.python == HERE)
    for each in (package, lambda_package):
        for part in each.parts:
            with zipfile.ZipFile(part.path) as archive:
                compiled = [name for name in archive.namelist() if name.endswith(".pyc")]
            assert bool(compiled) == each.has_byte_code


def copy_layer(root: Path, name: str) -> None:
    """A project with one layer: the real one's inputs."""
    for file in ("build.py", "slimming.py", f"{name}/requirements.txt", f"{name}/layer.toml"):
        target = root / "layers" / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / "layers" / file).read_bytes())


def test_a_layer_is_built_again_only_when_its_inputs_change(tmp_path: Path) -> None:
    copy_layer(tmp_path, "image")

    def build() -> Path:
        return build_layers(tmp_path, ["image"], python=HERE, architecture="x86_64")["image"]

    marker = build() / "marker"
    first = sorted(path.relative_to(marker.parent) for path in marker.parent.rglob("*"))
    marker.touch()
    build()
    assert marker.exists()
    with (tmp_path / "layers" / "image" / "layer.toml").open("a") as file:
        file.write("# a comment more\n")
    build()
    assert not marker.exists()
    assert first == sorted(path.relative_to(marker.parent) for path in marker.parent.rglob("*"))


def test_a_wheel_with_another_digest_is_refused(tmp_path: Path) -> None:
    copy_layer(tmp_path, "litert")
    path = tmp_path / "layers" / "litert" / "requirements.txt"
    pinned = path.read_text().splitlines()[0].rstrip("\\ ")
    path.write_text(f"{pinned} --hash=sha256:{'0' * 64}\n")
    with pytest.raises(PackagingError) as raised:
        build_layers(tmp_path, ["litert"], python=HERE, architecture="x86_64")
    assert raised.value.reference == "layer-failed"
    assert any("HASHES" in problem for problem in raised.value.problems)
    assert not [*(tmp_path / "build").rglob("python")]


def test_a_layer_for_arm_is_built_on_any_machine(tmp_path: Path) -> None:
    copy_layer(tmp_path, "litert")
    layers = build_layers(tmp_path, ["litert"], python=HERE, architecture="arm64")
    library = layers["litert"] / "ai_edge_litert" / "libLiteRt.so"
    assert int.from_bytes(library.read_bytes()[18:20], "little") == 183  # EM_AARCH64


def test_an_unknown_layer_is_named(tmp_path: Path) -> None:
    with pytest.raises(PackagingError) as raised:
        build_layers(tmp_path, ["torch"], python=HERE, architecture="x86_64")
    assert raised.value.reference == "layer-missing"


def test_a_python_without_pip_finds_one_that_has_it(tmp_path: Path) -> None:
    """`sam build` runs the first python3 on the PATH, which may be that of sam's own environment."""
    without = ROOT / ".tools" / "sam" / "bin" / "python3"
    assert subprocess.run([without, "-m", "pip"], capture_output=True, check=False).returncode != 0
    subprocess.run(
        [without, ROOT / "layers" / "build.py", "litert", "--output", tmp_path],
        env=os.environ | {"PATH": f"{without.parent}{os.pathsep}{os.environ['PATH']}"},
        check=True,
    )
    assert (tmp_path / "python" / "ai_edge_litert" / "libLiteRt.so").is_file()

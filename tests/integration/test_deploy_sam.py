"""What is read out of `sam`: its lines, its build folder, its names for code."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from liteship.deploy.sam import program
from liteship.errors import DeploymentError

ROOT = Path(__file__).parents[2]
SAM = ROOT / ".tools" / "sam" / "bin" / "sam"


@pytest.mark.parametrize(
    ("line", "short"),
    [
        (
            "CREATE_COMPLETE          AWS::Lambda::Function    DigitsFunction           -",
            "CREATE_COMPLETE DigitsFunction",
        ),
        (
            "UPDATE_ROLLBACK_IN_PROGRESS AWS::CloudFormation::Stack liteship  Resource failed",
            "UPDATE_ROLLBACK_IN_PROGRESS liteship",
        ),
        ("Building layer 'LitertLayer'", "Building layer 'LitertLayer'"),
        ("Step 3/46 : ARG BASE_IMAGE", None),
        ("-" * 80, None),
        ("", None),
    ],
)
def test_people_see_events_and_steps_alone(line: str, short: str | None) -> None:
    assert program.quiet_form(line) == short


def test_sam_is_looked_for_on_the_path_and_in_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(DeploymentError) as raised:
        program.find_sam(tmp_path)
    assert raised.value.reference == "sam-missing"
    assert "make .tools/sam" in raised.value.hint
    assert program.find_sam(ROOT) == SAM
    monkeypatch.setenv("PATH", str(SAM.parent))
    assert program.find_sam(tmp_path) == SAM


def test_what_a_failing_sam_said_last_is_told_and_all_is_kept(tmp_path: Path) -> None:
    (tmp_path / ".tools").symlink_to(ROOT / ".tools")
    (tmp_path / "template.yaml").write_text("Resources: nonsense\n")
    with pytest.raises(DeploymentError) as raised:
        program.build(tmp_path, {"BaseImage": "none"}, lambda _line: None)
    assert raised.value.reference == "sam-build-failed"
    assert raised.value.problems
    log = (tmp_path / program.LOG).read_text()
    assert log.startswith("$ ")
    assert raised.value.problems[-1] in log


CHECKSUM = """
import json, sys
from samcli.lib.package.image_utils import tag_translation
from samcli.lib.utils.hash import dir_checksum
print(json.dumps([dir_checksum(sys.argv[1]), tag_translation(*sys.argv[2:])]))
"""


def test_names_of_code_are_those_that_sam_gives(tmp_path: Path) -> None:
    """By asking sam's own functions."""
    folder = tmp_path / program.BUILD / "WineFunction"
    (folder / "package").mkdir(parents=True)
    (folder / "app.py").write_text("handler = None\n")
    (folder / "package" / "data.bin").write_bytes(bytes(range(256)) * 40)
    image = "sha256:" + "0123456789abcdef" * 4
    asked = subprocess.run(
        [SAM.with_name("python"), "-c", CHECKSUM, folder, "digitsfunction:v1", image],
        capture_output=True,
        text=True,
        check=True,
    )
    checksum, tag = json.loads(asked.stdout)
    (tmp_path / program.BUILD / "template.yaml").write_text(
        "Resources:\n"
        "  WineFunction: { Type: AWS::Serverless::Function, Properties: { CodeUri: WineFunction } }\n"
        "  DigitsFunction:\n"
        "    Type: AWS::Serverless::Function\n"
        "    Properties: { PackageType: Image, ImageUri: 'digitsfunction:v1' }\n"
    )
    same = {"WineFunction": f"s3://b/prefix/{checksum}", "DigitsFunction": f"1.ecr/digits:{tag}"}
    assert program.zip_code(tmp_path, same) == {"WineFunction": same["WineFunction"]}
    assert program.image_code({"DigitsFunction": image}, same) == {
        "DigitsFunction": same["DigitsFunction"]
    }
    assert program.image_tags(tmp_path) == {"DigitsFunction": "digitsfunction:v1"}
    earlier = {"WineFunction": "s3://b/prefix/earlier", "DigitsFunction": "1.ecr/digits:earlier"}
    assert program.zip_code(tmp_path, earlier) == {"WineFunction": same["WineFunction"]}
    assert program.image_code({"DigitsFunction": image}, earlier) != earlier

"""PyTorch's files, told apart and checked without unpickling; standard library only.

All of them are zip archives whose members stand below one folder:

    torch.export.save    models/NAME.json, data/weights/, data/constants/
    torch.jit.save       constants.pkl, code/, data.pkl, data/ (TorchScript)
    torch.save           data.pkl, data/ (weights, or a pickled module)

`torch.export.load` trusts its file: it unpickles opaque objects, loads compiled libraries, hands
expressions to SymPy's `sympify`, which evaluates them, and calls whatever a node's target names below
`torch`. None of that is needed for a model that can become TFLite, so a file that has it is refused.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
import zipfile
from typing import TYPE_CHECKING, Any, Literal

from liteship.errors import SourceModelError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Kind = Literal["torch-export", "torchscript", "weights", "unknown"]

_MODEL = re.compile(r"models/[^/]+\.json")
_EXPORT_MEMBERS = re.compile(
    r"models/[^/]+\.json|data/weights/[^/]+|data/constants/(tensor_\d+|[^/]+\.json)"
    r"|data/sample_inputs/[^/]+\.pt|extra/.*|archive_format|archive_version|byteorder|version"
    r"|\.data/.*|\.format_version|\.storage_alignment"
)
_TARGETS = re.compile(
    r"torch\.ops\.(aten|prims|higher_order|quantized_decomposed|torchvision)\.\w+(\.\w+)?"
    r"|_operator\.(?!attrgetter|itemgetter|methodcaller|call)[a-z]\w*"
    r"|torch\.sym_\w+|math\.(ceil|floor|trunc|sqrt)"
)
_EXPRESSION_NODES = (
    *(ast.Expression, ast.Name, ast.Load, ast.Constant, ast.keyword, ast.Call),
    *(
        ast.BinOp,
        ast.operator,
        ast.UnaryOp,
        ast.unaryop,
        ast.BoolOp,
        ast.boolop,
        ast.Compare,
        ast.cmpop,
    ),
)
_FUNCTIONS = re.compile(
    "Symbol|Integer|Float|Rational|Add|Mul|Pow|Mod|Min|Max|Abs|Eq|Ne|Lt|Le|Gt|Ge|And|Or|Not|floor|ceiling"
    "|Piecewise|FloorDiv|CleanDiv|CeilDiv|PythonMod|ModularIndexing|Where|TruncToInt|TruncToFloat"
    "|CeilToInt|FloorToInt|RoundToInt|RoundDecimal|ToFloat|IntTrueDiv|FloatTrueDiv|FloatPow"
    "|PowByNatural|Identity|IsNonOverlappingAndDenseIndicator"
)


def kind_of(path: Path) -> Kind:
    """What a file of PyTorch's is, by the names of its members.

    Raises:
        SourceModelError: `source-corrupt`.
    """
    with path.open("rb") as file:
        head = file.read(1)
    if head == b"\x80":  # a bare pickle: torch.save before PyTorch 1.6
        return "weights"
    try:
        with zipfile.ZipFile(path) as archive:
            names = {_below(name) for name in archive.namelist()}
            broken = archive.testzip()
    except Exception as error:  # zipfile and zlib raise whatever damaged bytes lead them to
        raise _corrupt(path, "it is not a whole zip archive") from error
    if broken:
        raise _corrupt(path, f"its {broken} is damaged")
    if any(_MODEL.fullmatch(name) for name in names):
        return "torch-export"
    if "constants.pkl" in names and any(name.startswith("code/") for name in names):
        return "torchscript"
    return "weights" if "data.pkl" in names else "unknown"


def copy_harmless(path: Path, target: Path) -> None:
    """Copies an archive of `torch.export.save`, unless it could run code when it is loaded.

    What was checked is what is loaded: zip readers disagree about archives that are made to deceive.
    The guards that an exported program carries are Python code; whoever loads it must not run them.

    Raises:
        SourceModelError: `source-unsafe` with everything found, or `source-corrupt`.
    """
    problems = []
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(target, "w") as copy:
        for member in sorted(set(archive.namelist())):
            name, content = _below(member), archive.read(member)
            if not _EXPORT_MEMBERS.fullmatch(name):
                problems.append(f"{member}: nothing that a model consists of")
            elif _MODEL.fullmatch(name):
                try:
                    problems += [f"{member}: {each}" for each in _dangers(json.loads(content))]
                except (ValueError, RecursionError) as error:
                    raise _corrupt(path, f"its {member} is not JSON") from error
            copy.writestr(member, content)
    if problems:
        raise SourceModelError(
            "source-unsafe",
            f"{path} holds what could run code when it is loaded; it was not loaded",
            problems=problems[:20],
            expected="an archive of weights and of PyTorch's own operators",
            hint="export the model again with torch.export.save, without custom operators or objects",
        )


def archive_digest(path: Path) -> str:
    """sha256 of what decides the model: its members, without their folder and what helps debugging.

    The folder is named after the file, and an exported program's operators carry the source lines that
    they came from, with the paths of the machine.
    """
    digest = hashlib.sha256()
    with zipfile.ZipFile(path) as archive:
        for member in sorted(archive.namelist(), key=_below):
            name = _below(member)
            if name.startswith(".data/") or name.endswith(".debug_pkl"):
                continue
            content = archive.read(member)
            if _MODEL.fullmatch(name):
                model = json.loads(content, object_hook=_without_source_lines)
                content = json.dumps(model, sort_keys=True).encode()
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def _below(member: str) -> str:
    return member.partition("/")[2]


def _without_source_lines(fields: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in fields.items() if key != "stack_trace"}


def _dangers(model: Any) -> Iterator[str]:
    for key, value in _strings(model):
        if key == "target" and not _TARGETS.fullmatch(value):
            yield f"calls {value[:80]}"
        elif key == "expr_str" and not _is_arithmetic(value):
            yield f"evaluates {value[:80]}"


def _strings(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every string in parsed JSON, with the key that it stands at."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _strings(each, name)
    elif isinstance(value, list):
        for each in value:
            yield from _strings(each, key)
    elif isinstance(value, str):
        yield key, value


def _is_arithmetic(text: str) -> bool:
    """Whether an expression calls nothing but SymPy's arithmetic, and reaches into nothing."""
    try:
        nodes = list(ast.walk(ast.parse(text, mode="eval")))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return all(isinstance(node, _EXPRESSION_NODES) and _calls_arithmetic(node) for node in nodes)


def _calls_arithmetic(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and _FUNCTIONS.fullmatch(node.func.id) is not None
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value.isidentifier()  # Symbol('s31')
    return True


def _corrupt(path: Path, reason: str) -> SourceModelError:
    return SourceModelError(
        "source-corrupt",
        f"{path} is damaged or not what its name says: {reason}",
        expected="a whole archive of torch.export.save or torch.jit.save",
        hint="export the model again with torch.export.save",
    )

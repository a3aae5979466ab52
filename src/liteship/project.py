"""A project on disk: the functions in `functions/`, each described by its `function.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from liteship.config import FunctionConfig
from liteship.errors import ConfigurationError
from liteship.runtime.settings import MODEL_FOLDER


@dataclass(frozen=True, kw_only=True)
class FunctionFolder:
    """One function on disk.

    Attributes:
        folder: `functions/NAME`.
        config: Its `function.toml`.
    """

    folder: Path
    config: FunctionConfig

    @property
    def model_folder(self) -> Path:
        """Where its own artifact lies: `model`, or `model/NAME/VERSION` among several."""
        folder = self.folder / MODEL_FOLDER
        if self.config.models is None:
            return folder
        return folder / self.config.name / self.config.version

    @property
    def root(self) -> Path:
        """The project's folder: holds `functions/`, `layers/`, `template.yaml`."""
        return self.folder.parent.parent


def find_root(start: Path | None = None) -> Path:
    """The nearest folder, from `start` upward, that holds a folder `functions`.

    Raises:
        ConfigurationError: `project-missing`.
    """
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / "functions").is_dir():
            return folder
    raise ConfigurationError(
        "project-missing",
        f"neither {start} nor a folder above it holds a folder functions/",
        hint="change into the project's folder first",
    )


def load_function(name: str, root: Path | None = None) -> FunctionFolder:
    """Reads and validates `functions/NAME/function.toml`.

    Raises:
        ConfigurationError: `project-missing`, `function-missing`, `function-toml`, or
            `function-invalid` with every problem found.
    """
    functions = (root or find_root()) / "functions"
    folder = functions / name
    path = folder / "function.toml"
    if name != folder.name or not path.is_file():  # digits/ is no name, though a folder
        found = sorted(each.parent.name for each in functions.glob("*/function.toml"))
        raise ConfigurationError(
            "function-missing",
            f"there is no function {name!r} in {functions}",
            expected=f"one of {', '.join(found)}" if found else "functions/NAME/function.toml",
            received=name,
            hint="give the name of a folder in functions/",
        )
    return FunctionFolder(folder=folder, config=read_config(path))


def load_functions(root: Path | None = None) -> list[FunctionFolder]:
    """Every function of the project, by name.

    Raises:
        ConfigurationError: As `load_function`; `function-missing` where there is none.
    """
    root = root or find_root()
    names = sorted(path.parent.name for path in (root / "functions").glob("*/function.toml"))
    if not names:
        raise ConfigurationError(
            "function-missing",
            f"there is no function in {root / 'functions'}",
            expected="functions/NAME/function.toml",
            hint="copy the folder of another project's function",
        )
    return [load_function(name, root) for name in names]


def read_config(path: Path) -> FunctionConfig:
    """Reads one `function.toml`.

    Raises:
        ConfigurationError: `function-toml` or `function-invalid`.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(
            "function-toml",
            f"{path} cannot be read as TOML: {error}",
            hint="correct the line that the message names",
        ) from error
    try:
        config = FunctionConfig.model_validate(content)
    except ValidationError as error:
        raise ConfigurationError(
            "function-invalid",
            f"{path} has {error.error_count()} problem(s)",
            problems=[_problem(each) for each in error.errors(include_url=False)],
            hint="correct every line listed; docs/guides/function-toml.md explains each key",
        ) from error
    if config.name != path.parent.name:
        raise ConfigurationError(
            "function-invalid",
            f"{path} names another function than its folder",
            expected=path.parent.name,
            received=config.name,
            hint="use the folder's name",
        )
    return config.with_model_in(path.parent / MODEL_FOLDER)


def _problem(error: object) -> str:
    """One validation error as `key: what is allowed; received …`."""
    fields = error if isinstance(error, dict) else {}
    place = list(fields["loc"])
    if place[0] == "input" and place[1:2] in (["image"], ["tensor"]):
        del place[1]  # the kind that chose the section's class, not a key
    key = ".".join(map(str, place))
    text = str(fields["msg"]).removeprefix("Value error, ")
    if fields["type"] == "extra_forbidden":
        return f"{key}: unknown key"
    if fields["type"] == "missing":
        return f"{key}: missing"
    return f"{key}: {text}; received {fields['input']!r:.60}"

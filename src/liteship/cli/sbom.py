"""`liteship sbom`: what a function ships, under which licences, and what is known against it."""

from __future__ import annotations

import contextlib
import json as jsonlib
from collections import defaultdict
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from liteship.cli.output import Json, console, print_json, print_table, stderr
from liteship.packaging.audit import audit_layers, require_clean
from liteship.packaging.package import package_zip
from liteship.packaging.sbom import IMAGE_LAYERS, package_image_sbom
from liteship.project import load_function

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from liteship.packaging.audit import Audit
    from liteship.project import FunctionFolder

    Entry = Mapping[str, Any]
    """A component of a CycloneDX document."""

UNKNOWN = "unknown"


def command(
    name: Annotated[str, typer.Argument(help="The function, a folder in functions/.")],
    form: Annotated[
        Literal["zip", "image"] | None,
        typer.Option("--as", help="What is shipped; by default what function.toml says."),
    ] = None,
    base_image: Annotated[
        str | None, typer.Option(help="The image's base; by default AWS's for the Python version.")
    ] = None,
    licences: Annotated[bool, typer.Option("--licences", help="List by licence, parts too.")] = False,
    audit: Annotated[
        bool, typer.Option("--audit", help="Ask the advisory database; sends names and versions.")
    ] = False,
    json: Json = False,
) -> None:
    """List what a function ships: each component with its version and licence.

    Examples:
        liteship sbom wine

        liteship sbom digits --as image --licences

        liteship sbom digits --audit

        liteship sbom digits --json > sbom.cdx.json
    """
    function = load_function(name)
    form = form or function.config.lambda_.package
    waiting = contextlib.nullcontext() if json else stderr.status("building the layers")
    with waiting:
        path = package_zip(function).sbom if form == "zip" else package_image_sbom(function, base_image)
    document = jsonlib.loads(path.read_bytes())
    entries = document.get("components", [])
    if audit:
        _audit(function, {_source(entry) for entry in entries}, json=json)
    elif json:
        print_json(document)
    elif licences:
        _print_licences(f"{name} as {form}", entries)
    else:
        _print_components(f"{name} as {form}", entries)
        console.print(f"As CycloneDX 1.6: {path}", soft_wrap=True, highlight=False)


def _audit(function: FunctionFolder, sources: set[str], *, json: bool) -> None:
    layers = sorted(sources & set(IMAGE_LAYERS))
    waiting = contextlib.nullcontext() if json else stderr.status("asking the advisory database")
    with waiting:
        found = audit_layers(function.root, layers)
    if found.vulnerabilities and not json:
        _print_vulnerabilities(found)
    require_clean(found)
    if json:
        print_json({"layers": layers, "audited": found.audited, "vulnerabilities": []})
    else:
        console.print(f"No known vulnerabilities in {found.audited} packages.")


def _print_components(title: str, entries: Iterable[Entry]) -> None:
    rows = [
        (
            entry["name"],
            entry.get("version", UNKNOWN),
            _licence(entry),
            _source(entry),
            len(entry.get("components", ())) or "",
        )
        for entry in sorted(entries, key=lambda entry: (_source(entry), entry["name"].lower()))
    ]
    print_table(title, ("component", "version", "licence", "in", "parts"), rows)


def _print_licences(title: str, entries: Iterable[Entry]) -> None:
    names = defaultdict(set)
    for entry in _with_parts(entries):
        names[_licence(entry)].add(entry["name"])
    rows = [(licence, ", ".join(sorted(names[licence], key=str.lower))) for licence in sorted(names)]
    print_table(title, ("licence", "components"), rows)


def _print_vulnerabilities(audit: Audit) -> None:
    print_table(
        "Known vulnerabilities",
        ("package", "version", "advisory", "fixed in", "what"),
        [
            (each.package, each.version, each.identifier, ", ".join(each.fixed_in), each.description)
            for each in audit.vulnerabilities
        ],
    )


def _with_parts(entries: Iterable[Entry]) -> Iterator[Entry]:
    for entry in entries:
        yield entry
        yield from entry.get("components", ())


def _licence(entry: Entry) -> str:
    """As one text; CycloneDX has three places for it."""
    choices = [each.get("license", each) for each in entry.get("licenses", ())]
    words = [each.get("id") or each.get("name") or each["expression"] for each in choices]
    return " AND ".join(map(str, words)) or UNKNOWN


def _source(entry: Entry) -> str:
    properties = {each["name"]: each.get("value", "") for each in entry.get("properties", ())}
    return str(properties.get("liteship:source", ""))

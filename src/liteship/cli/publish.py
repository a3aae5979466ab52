"""`liteship publish`: puts a function's artifact where its deployed versions load it from."""

from __future__ import annotations

from typing import Annotated

import typer

from liteship.cli.exits import end_on_sigterm
from liteship.cli.options import Name, Region
from liteship.cli.output import Json, print_json, print_line, text
from liteship.deploy.aws.client import Aws
from liteship.deploy.aws.publishing import publish, require_bucket
from liteship.project import load_function


def command(
    name: Name,
    location: Annotated[
        str | None,
        typer.Argument(help="s3://BUCKET/PREFIX; by default what model.location says."),
    ] = None,
    region: Region = None,
    json: Json = False,
) -> None:
    """Upload a function's artifact to S3, as NAME/VERSION below a location.

    A version is never overwritten with another model; the same model again changes nothing. Stores
    that speak S3, such as MinIO, are named by AWS_ENDPOINT_URL.

    Examples:
        liteship publish digits

        liteship publish digits s3://my-bucket/models --region eu-central-1
    """
    function = load_function(name)
    if location is None:
        location = function.config.model.location
    require_bucket(location)  # before a region is asked for
    end_on_sigterm()
    with Aws(region) as aws:
        done = publish(aws, function, location)
    if json:
        print_json(
            {
                "name": name,
                "version": function.config.version,
                "uri": done.model.place,
                "manifest_sha256": done.model.manifest_sha256,
                "size_bytes": done.size_bytes,
                "uploaded": list(done.uploaded),
            }
        )
        return
    what = f"{name} version {function.config.version}, {text(done.size_bytes)} bytes"
    state = "published" if done.uploaded else "is there already"
    print_line(f"{what}: {done.model.place} {state}")

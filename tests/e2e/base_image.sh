#!/bin/sh
# Makes the base image of the end-to-end tests: Debian with Python 3.13, out of Debian's packages, for
# machines that reach no container registry. Does nothing where the image exists.
#
#     tests/e2e/base_image.sh [IMAGE]
#
# Needs root, debootstrap and a Docker engine.
set -eu

image=${1:-liteship-base:trixie}
certificates=/etc/ssl/certs/ca-certificates.crt

if docker image inspect "$image" >/dev/null 2>&1; then
    exit 0
fi
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
debootstrap --variant=minbase --include=python3,python3-pip,ca-certificates trixie "$root" >&2
# pip inside a build trusts whom this machine trusts
cp "$certificates" "$root$certificates"
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
tar --directory "$root" --create . | docker import --change 'CMD ["python3"]' - "$image" >&2

"""Which object controls which."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.kubernetes_stand_in.kinds import Object


def owner(thing: Object) -> Object:
    """A reference to what controls another object."""
    return {
        "apiVersion": thing["apiVersion"],
        "kind": thing["kind"],
        "name": thing["metadata"]["name"],
        "uid": thing["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def owned_by(thing: Object, controller: Object) -> bool:
    """Whether one object controls another."""
    references = thing["metadata"].get("ownerReferences", [])
    return any(each["uid"] == controller["metadata"]["uid"] for each in references)

"""What a request to the API server asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.kubernetes_stand_in.kinds import NAMESPACE, RESOURCES
from tests.kubernetes_stand_in.statuses import bad_request

if TYPE_CHECKING:
    from tests.kubernetes_stand_in.kinds import Key, Object, Resource

SELECTABLE = {
    "Event": ("involvedObject.", "reason", "type", "source", "reportingComponent"),
    "Pod": ("spec.nodeName", "spec.restartPolicy", "status.phase", "status.podIP"),
    "Namespace": ("status.phase",),
    "ReplicaSet": ("status.replicas",),
}
"""Fields by which a kind can be selected, beside its name and its namespace."""

VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass(frozen=True)
class Query:
    """One request.

    Attributes:
        method: As HTTP has it.
        resource: The kind that the path names.
        namespace: Empty for all of them.
        name: Empty for a collection.
        subresource: log, status, proxy or scale.
        rest: What comes after `proxy`, with the query.
        options: The query.
    """

    method: str
    resource: Resource
    namespace: str
    name: str
    subresource: str
    rest: str
    options: dict[str, str]

    @property
    def key(self) -> Key:
        """Where the store keeps what is asked for."""
        return self.resource.key(self.namespace, self.name)

    @property
    def verb(self) -> str:
        """As the rules of access call it."""
        if self.subresource == "proxy":
            return VERBS.get(self.method, "get")
        if self.method != "GET":
            return VERBS[self.method]
        if self.is_on("watch"):
            return "watch"
        return "get" if self.name else "list"

    def is_on(self, option: str) -> bool:
        """Whether an option of the query is set."""
        return self.options.get(option, "").lower() in {"1", "true"}

    def check(self) -> None:
        """Refuses selectors that the API server does not know.

        Raises:
            Refusal: 400.
        """
        known = ("metadata.name", "metadata.namespace", *SELECTABLE.get(self.resource.kind, ()))
        for field, _, _ in field_terms(self.options.get("fieldSelector", "")):
            if not field.startswith(known):
                raise bad_request(f"field label not supported: {field}")

    def selects(self, thing: Object) -> bool:
        """Whether the query's selectors, name and namespace fit an object of the kind."""
        metadata = thing["metadata"]
        return (
            self.namespace in {"", metadata.get("namespace", "")}
            and _labels_fit(self.options.get("labelSelector", ""), metadata.get("labels", {}))
            and _fields_fit(self.options.get("fieldSelector", ""), thing)
        )


def parse(method: str, target: str) -> Query | None:
    """Reads a request line; None where no kind is at this path."""
    parts = urlsplit(target)
    words = [unquote(word) for word in parts.path.strip("/").split("/")]
    if words[:2] == ["api", "v1"]:
        version, words = "v1", words[2:]
    elif words[0] == "apis" and len(words) > 2:
        version, words = "/".join(words[1:3]), words[3:]
    else:
        return None
    namespace = ""
    if words[:1] == ["namespaces"] and len(words) > 2 and words[2] not in {"status", "finalize"}:
        namespace, words = words[1], words[2:]
    plural, name, subresource = (*words, "", "", "")[:3]
    found = [each for each in RESOURCES if (each.api_version, each.plural) == (version, plural)]
    if not found:
        return None
    if found[0] == NAMESPACE:
        namespace = name
    # From the raw path, as the process behind the proxy has to see it
    rest = parts.path.partition("/proxy")[2] or "/"
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    rest += f"?{parts.query}" if parts.query else ""
    return Query(method, found[0], namespace, name, subresource, rest, options)


def _labels_fit(selector: str, labels: dict[str, str]) -> bool:
    """https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors."""
    for term in filter(None, _terms(selector)):
        words = term.split(None, 2)
        if len(words) == 3 and words[1] in {"in", "notin"}:
            values = {value.strip() for value in words[2].strip("()").split(",")}
            fits = (labels.get(words[0]) in values) == (words[1] == "in")
        elif "!=" in term:
            name, value = term.split("!=")
            fits = labels.get(name.strip()) != value.strip()
        elif "=" in term:
            name, _, value = term.replace("==", "=").partition("=")
            fits = labels.get(name.strip()) == value.strip()
        else:
            fits = (term.lstrip("!") in labels) != term.startswith("!")
        if not fits:
            return False
    return True


def _terms(selector: str) -> list[str]:
    terms, depth = [""], 0
    for letter in selector:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and not depth:
            terms.append("")
        else:
            terms[-1] += letter
    return [term.strip() for term in terms]


def _fields_fit(selector: str, thing: Object) -> bool:
    """https://kubernetes.io/docs/concepts/overview/working-with-objects/field-selectors/#list-of-supported-fields."""
    for field, negated, value in field_terms(selector):
        found: object = thing
        for step in field.split("."):
            found = found.get(step, "") if isinstance(found, dict) else ""
        if (str(found) == value) == negated:
            return False
    return True


def field_terms(selector: str) -> list[tuple[str, bool, str]]:
    """Field, whether it must not be so, and value."""
    terms = []
    for term in filter(None, selector.split(",")):
        field, _, value = term.replace("==", "=").partition("=")
        terms.append((field.rstrip("!"), field.endswith("!"), value))
    return terms

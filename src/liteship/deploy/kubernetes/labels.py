"""What objects on a cluster are told apart by: labels, and the port that the manifests name."""

REVISION_LABEL = "serving.knative.dev/revision"
SERVICE_LABEL = "serving.knative.dev/service"
GENERATION_LABEL = "serving.knative.dev/configurationGeneration"
"""Knative's: of Pods, of Pods and Revisions, of Revisions."""

NAME_LABEL = "app.kubernetes.io/name"
VERSION_LABEL = "app.kubernetes.io/version"
MANAGER_LABEL, MANAGER = "app.kubernetes.io/managed-by", "liteship"
"""The manifests' own: of everything that liteship makes, and of its Pods."""

CONTAINER_PORT = 8080
"""The server's, in every Pod."""

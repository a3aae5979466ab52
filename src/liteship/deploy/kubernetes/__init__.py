"""Knative and Kubernetes: the manifests in `knative/`, and what `kn` has to be told."""

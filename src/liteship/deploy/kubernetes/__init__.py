"""Knative and Kubernetes: manifests, the kn command, and what runs on a cluster."""

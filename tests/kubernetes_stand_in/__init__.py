"""A small HTTP server in the place of a cluster: the API server's REST, Knative, and real processes.

Its answers to apply, conflicts, lists, watches and deletions of Knative's Services have been compared
with those of the API server of Kubernetes 1.36 with Knative's CRDs: they were the same, byte for byte,
but for times and names. What Knative's controllers, the kubelet and the other controllers say follows
their sources, and was compared with nothing that runs.

Not like a cluster: one Pod a Revision, as nothing scales up; back-offs are short; nobody's memory or
processors are limited; liveness is not asked; custom resources are checked against no schema.
"""

from tests.kubernetes_stand_in.stand_in import StandIn

__all__ = ["StandIn"]

"""A function's Revisions on Knative, their shares of the traffic, and canaries."""

"""From manifests to a function that answers: plan, apply, wait, and say why not."""

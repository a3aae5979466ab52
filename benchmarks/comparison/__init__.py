"""The comparison that `make bench` prints: liteship beside what else serves a model, in one run."""

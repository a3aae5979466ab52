"""Where a package runs: the emulator today; Lambda and Knative are deployed by `sam` and `kn`."""

"""A packaged function on this machine: AWS's emulator, and events for it."""

"""What wakes a function besides HTTP: one module an event source."""

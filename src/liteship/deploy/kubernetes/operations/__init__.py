"""What stands on a cluster for a function: its logs, its answers, its removal."""

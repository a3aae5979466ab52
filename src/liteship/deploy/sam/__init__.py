"""From function.toml to a stack: template, plan, and what `sam` does of it."""

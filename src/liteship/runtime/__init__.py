"""The run half: what every cold start pays for. Imports nothing of the build half."""

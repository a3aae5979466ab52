"""From a trained model to a proven artifact. Build half.

Imports nothing: its child processes run in environments that hold little.
"""

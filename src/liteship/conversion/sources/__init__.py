"""Source models: one module a format, each of which makes a float `.tflite` of it.

A module that needs a framework is imported by the conversion's child process alone.
"""

from liteship.conversion.sources.files import SourceFormat, check_source, source_digest

__all__ = ["SourceFormat", "check_source", "source_digest"]

"""From a trained model to a proven artifact. Build half."""

from liteship.convert.pipeline import ConversionRequest, ConversionResult, convert_model

__all__ = ["ConversionRequest", "ConversionResult", "convert_model"]

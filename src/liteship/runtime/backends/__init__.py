"""Back ends that run a `.tflite` model, one module each; see `liteship.runtime.interpreter`."""

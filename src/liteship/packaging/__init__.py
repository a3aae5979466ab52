"""From a function's folder to what a platform takes: layers, zip bundle, size gate.

Build half. Only `bundle` also runs on a bare Python, because `sam build` and the image's build stage
call it there.
"""

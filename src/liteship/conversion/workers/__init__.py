"""The child processes of a conversion: converters crash, exhaust memory and print.

`export` turns a source into a float `.tflite`, in the environment of its framework; `quantize` turns
that into quantized ones. Each does what its parent asks for on standard input, one JSON line an order,
and answers on standard output: any number of `{"stage": …}`, then one `{"result": …}` or
`{"failure": …}`.
"""

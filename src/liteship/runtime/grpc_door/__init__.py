"""Open Inference Protocol over gRPC, beside the HTTP server; needs the extra `grpc`.

Imported only where `LITESHIP_GRPC_PORT` is set. Each call becomes the REST request that asks the same,
and goes the way of every other: one queue, one log, one answer.
"""

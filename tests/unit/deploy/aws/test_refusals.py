"""What AWS refuses, in our words; what moto's server can refuse: integration/operations."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from liteship.deploy.aws.refusals import refused


def client_error(code: str, message: str = "said AWS", operation: str = "GetAlias") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


@pytest.mark.parametrize(
    ("code", "reference"),
    [
        ("AccessDenied", "access-denied"),
        ("AccessDeniedException", "access-denied"),
        ("ExpiredToken", "credentials-expired"),
        ("ExpiredTokenException", "credentials-expired"),
        ("InvalidClientTokenId", "credentials-invalid"),
        ("UnrecognizedClientException", "credentials-invalid"),
        ("SignatureDoesNotMatch", "credentials-invalid"),
        ("Throttling", "throttled"),
        ("ThrottlingException", "throttled"),
        ("TooManyRequestsException", "throttled"),
        ("SlowDown", "throttled"),
        ("ResourceNotFoundException", "aws-not-found"),
        ("NoSuchBucket", "aws-not-found"),
        ("InvalidParameterValueException", "aws-refused"),
    ],
)
def test_every_refusal_has_a_reference_and_a_next_step(code: str, reference: str) -> None:
    error = refused(client_error(code), "lambda", "eu-central-1")
    assert (error.reference, error.code) == (reference, code)
    assert "said AWS" in str(error)
    assert error.hint


@pytest.mark.parametrize(
    ("service", "operation", "said", "permission"),
    [
        ("lambda", "GetAlias", "no", "lambda:GetAlias"),
        ("lambda", "Invoke", "no", "lambda:InvokeFunction"),
        ("s3", "ListObjectVersions", "no", "s3:ListBucketVersions"),
        ("s3", "DeleteObjects", "no", "s3:DeleteObject and s3:DeleteObjectVersion"),
        (
            "cloudformation",
            "DeleteStack",
            "User: arn:aws:iam::1:user/a is not authorized to perform: iam:DeleteRole on resource: b",
            "iam:DeleteRole",
        ),
    ],
)
def test_the_permission_to_ask_for_is_named(
    service: str, operation: str, said: str, permission: str
) -> None:
    error = refused(client_error("AccessDenied", said, operation), service, "eu-central-1")
    assert error.hint.startswith(f"have {permission} allowed")


def test_a_refusal_without_details_is_told_all_the_same() -> None:
    error = refused(ClientError({"Error": {}}, "GetAlias"), "lambda", "eu-central-1")
    assert error.reference == "aws-refused"
    assert "Unknown" in error.message

"""What AWS refuses, and that it cannot be reached, in our words: one table from its codes to ours."""

from __future__ import annotations

import re
from typing import Any

from liteship.errors import DeploymentError

# Where the permission is not called like the operation
# (https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html)
_PERMISSIONS = {
    "lambda:Invoke": "lambda:InvokeFunction",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
    "s3:DeleteObjects": "s3:DeleteObject and s3:DeleteObjectVersion",
}

_DENIED = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation"}
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
_UNKNOWN = {
    "AuthFailure",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_THROTTLED = {
    "RequestLimitExceeded",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}
_NOT_FOUND = {"NoSuchBucket", "NoSuchEntity", "ResourceNotFoundException"}


class AwsError(DeploymentError):
    """AWS refused, or could not be asked.

    Args:
        code: AWS's own name of the error, such as `ResourceNotFoundException`; empty where AWS did
            not answer.
        reference: As `LiteshipError`'s, like the rest.
        message: What could not be done.
        hint: One concrete next step.
        received: What AWS said.
    """

    def __init__(
        self, code: str, reference: str, message: str, *, hint: str, received: str | None = None
    ) -> None:
        self.code = code
        super().__init__(reference, message, hint=hint, received=received)


def refused(error: Any, service: str, region: str) -> AwsError:
    """What AWS answered instead of doing what was asked.

    Args:
        error: botocore's `ClientError`.
        service: As boto3 calls it.
        region: Where it was asked.
    """
    code = str(error.response["Error"].get("Code", "Unknown"))
    said = str(error.response["Error"].get("Message", ""))
    action = f"{service}:{error.operation_name}"
    if code in _DENIED:
        named = re.search(r"not authorized to perform: ([\w:-]+)", said)
        permission = named[1] if named else action
        permission = _PERMISSIONS.get(permission, permission)
        return AwsError(
            code,
            "access-denied",
            f"these credentials may not do {action} in {region}",
            received=said,
            hint=f"have {permission} allowed; aws sts get-caller-identity says who you are",
        )
    if code in _EXPIRED:
        return AwsError(
            code,
            "credentials-expired",
            f"the AWS credentials have expired: {said}",
            hint="log in again, for instance with: aws sso login",
        )
    if code in _UNKNOWN:
        return AwsError(
            code,
            "credentials-invalid",
            f"AWS does not accept these credentials in {region}: {said}",
            hint="check AWS_PROFILE and the keys, and that the account has enabled this region",
        )
    if code in _THROTTLED:
        return AwsError(
            code,
            "throttled",
            f"AWS answers {action} too many requests: {said}",
            hint="wait a minute and try again",
        )
    if code in _NOT_FOUND:
        return AwsError(
            code,
            "aws-not-found",
            f"{action} found nothing in {region}: {said}",
            hint="check --stage and --region; liteship deploy creates what is missing",
        )
    return AwsError(
        code,
        "aws-refused",
        f"AWS refused {action} with {code}: {said}",
        hint="the message is AWS's own; look for the error's name in the service's API reference",
    )


def unanswered(error: Exception, action: str, region: str) -> AwsError:
    """Why AWS was not asked, or did not answer.

    Args:
        error: botocore's `BotoCoreError`, or what its parsers raise at an answer that is not AWS's.
        action: `SERVICE:OPERATION`.
        region: Where it was to be asked.
    """
    from botocore import exceptions

    if isinstance(error, exceptions.ProfileNotFound):
        return AwsError(
            "",
            "aws-profile",
            f"{error}",
            hint="correct AWS_PROFILE; aws configure list-profiles lists them",
        )
    if isinstance(error, exceptions.SSOError | exceptions.TokenRetrievalError):
        return AwsError(
            "", "credentials-expired", f"no valid AWS login: {error}", hint="log in: aws sso login"
        )
    if isinstance(
        error,
        exceptions.NoCredentialsError
        | exceptions.PartialCredentialsError
        | exceptions.CredentialRetrievalError,
    ):
        return AwsError(
            "",
            "credentials-missing",
            f"there are no AWS credentials: {error}",
            hint="run aws configure or aws sso login, or set AWS_PROFILE",
        )
    if isinstance(
        error,
        exceptions.ConnectionError
        | exceptions.HTTPClientError
        | exceptions.InvalidRegionError
        | exceptions.EndpointProviderError
        | exceptions.UnknownEndpointError,
    ) or not isinstance(error, exceptions.BotoCoreError):
        return AwsError(
            "",
            "aws-unreachable",
            f"no answer from AWS in region {region}: {error}",
            hint="check the network, the region's name, and AWS_ENDPOINT_URL where it is set",
        )
    return AwsError(
        "",
        "aws-refused",
        f"{action} could not be asked: {error}",
        hint="correct what the message names",
    )

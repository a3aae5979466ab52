"""Which changes make CloudFormation replace a resource, and what is lost with one."""

from __future__ import annotations

CREATE_ONLY: dict[str, frozenset[str]] = {
    "AWS::ApiGatewayV2::Api": frozenset({"ProtocolType"}),
    "AWS::ApiGatewayV2::Stage": frozenset({"ApiId", "StageName"}),
    "AWS::CloudWatch::Alarm": frozenset({"AlarmName"}),
    "AWS::CodeDeploy::Application": frozenset({"ApplicationName", "ComputePlatform"}),
    "AWS::CodeDeploy::DeploymentGroup": frozenset({"ApplicationName", "DeploymentGroupName"}),
    "AWS::Events::Rule": frozenset({"EventBusName", "Name"}),
    "AWS::IAM::Role": frozenset({"Path", "RoleName"}),
    "AWS::Lambda::Alias": frozenset({"FunctionName", "Name"}),
    "AWS::Lambda::EventSourceMapping": frozenset(
        {"EventSourceArn", "SelfManagedEventSource", "StartingPosition", "StartingPositionTimestamp"}
    ),
    "AWS::Lambda::Function": frozenset(
        {"DurableConfig", "FunctionName", "PackageType", "TenancyConfig"}
    ),
    "AWS::Lambda::LayerVersion": frozenset(
        {
            *("CompatibleArchitectures", "CompatibleRuntimes", "Content"),
            *("Description", "LayerName", "LicenseInfo"),
        }
    ),
    "AWS::Lambda::Permission": frozenset(
        {
            *("Action", "EventSourceToken", "FunctionName", "FunctionUrlAuthType"),
            *("InvokedViaFunctionUrl", "Principal", "PrincipalOrgID", "SourceAccount", "SourceArn"),
        }
    ),
    "AWS::Lambda::Url": frozenset({"Qualifier", "TargetFunctionArn"}),
    "AWS::Lambda::Version": frozenset(
        {
            *("CodeSha256", "Description", "FunctionName"),
            *("ProvisionedConcurrencyConfig", "RuntimePolicy"),
        }
    ),
    "AWS::Logs::LogGroup": frozenset({"LogGroupName"}),
    "AWS::S3::Bucket": frozenset({"BucketName", "BucketNamePrefix", "BucketNamespace"}),
    "AWS::SQS::Queue": frozenset({"FifoQueue", "QueueName"}),
    "AWS::SQS::QueuePolicy": frozenset(),
}
"""Properties that CloudFormation can only change by making a new resource, of every type that our
template becomes. From the resource types' own schemas (createOnlyProperties and
conditionalCreateOnlyProperties, https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schema.html);
a test compares them with the copies that cfn-lint ships."""

LOSSES = {
    "AWS::S3::Bucket": "what it holds stays behind; an empty one is deleted",
    "AWS::SQS::Queue": "messages that wait in it are lost",
    "AWS::Logs::LogGroup": "the log in it is deleted",
    "AWS::ApiGatewayV2::Api": "callers need its successor's URL",
    "AWS::Lambda::Url": "callers need its successor's URL",
}
"""What is lost with a resource that is replaced or removed."""

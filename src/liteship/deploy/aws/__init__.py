"""A deployed function in an AWS account, through boto3."""

"""Makes the queue, the one for what no worker can deal with, and the bucket for what is too large."""

import json
import os

import boto3

ENDPOINT = os.environ.get("SHADOW_SQS_ENDPOINT_URL")  # not set: AWS
BUCKET = os.environ["SHADOW_SQS_BUCKET"]

sqs = boto3.client("sqs", region_name="us-east-1", endpoint_url=ENDPOINT)
dead = sqs.create_queue(QueueName="loans-dead", Attributes={"MessageRetentionPeriod": "1209600"})["QueueUrl"]
arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
queue = sqs.create_queue(
    QueueName="loans",
    Attributes={
        # What a worker that was killed had taken comes back after so many seconds.
        "VisibilityTimeout": "10",
        # What was given out five times and never dealt with is put aside; a restart of a worker counts too.
        "RedrivePolicy": json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": "5"}),
    },
)["QueueUrl"]
print("made", queue)

s3 = boto3.client("s3", region_name="us-east-1", endpoint_url=ENDPOINT)
s3.create_bucket(Bucket=BUCKET)
# The worker deletes what it has compared. What is left after the queue's four days belongs to nobody.
rule = {
    "ID": "left",
    "Status": "Enabled",
    "Filter": {"Prefix": "shadow_mw/"},
    "Expiration": {"Days": 5},
}
s3.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration={"Rules": [rule]})
print("made", BUCKET)

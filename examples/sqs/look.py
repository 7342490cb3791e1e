"""Says what is in the queues and in the bucket."""

import os

import boto3

ENDPOINT = os.environ.get("SHADOW_SQS_ENDPOINT_URL")  # not set: AWS
NAMES = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]

sqs = boto3.client("sqs", region_name="us-east-1", endpoint_url=ENDPOINT)
for name in ("loans", "loans-dead"):
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=NAMES)["Attributes"]
    print(f"{name}: {found[NAMES[0]]} wait, {found[NAMES[1]]} are with a worker")
s3 = boto3.client("s3", region_name="us-east-1", endpoint_url=ENDPOINT)
print("bucket:", s3.list_objects_v2(Bucket=os.environ["SHADOW_SQS_BUCKET"])["KeyCount"], "objects")

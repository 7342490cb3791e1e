# The same for the app, the workers and the other commands: `. ./settings.sh`
export SHADOW_QUEUE=sqs://us-east-1/loans
export SHADOW_SQS_BUCKET=loans-too-large
export SHADOW_TARGETS=challenger=http://127.0.0.1:8001
export SHADOW_ROUTES='POST /decide'
export SHADOW_COMPARE=label
# Not on AWS, where boto3 finds credentials by itself: moto takes any.
export SHADOW_SQS_ENDPOINT_URL=http://127.0.0.1:5000
export AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any

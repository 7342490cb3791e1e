"""Makes the topic, with room for six workers, and the one for what no worker can read."""

from confluent_kafka.admin import AdminClient, NewTopic

# It waits for a broker that is still starting, without a line for each attempt.
admin = AdminClient({"bootstrap.servers": "127.0.0.1:9092", "log_level": "0"})
wanted = [NewTopic("loans", num_partitions=6), NewTopic("loans.dead", num_partitions=1)]
for name, made in admin.create_topics(wanted, operation_timeout=30).items():
    error = made.exception(60)
    print(f"made {name}" if error is None else error.args[0].str())

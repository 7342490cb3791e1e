"""Shows the latest exchange in the topic, as any program can read it that may read the topic."""

import msgspec
from confluent_kafka import Consumer, Message, TopicPartition

TOPIC = "loans"


def headers(message: Message) -> dict[str, str]:
    """The headers of a message as texts."""
    return {name: value.decode() for name, value in message.headers() or []}


consumer = Consumer({"bootstrap.servers": "127.0.0.1:9092", "group.id": "look", "enable.auto.commit": False})
messages: list[Message] = []
for number in consumer.list_topics(TOPIC, timeout=30).topics[TOPIC].partitions:
    _, end = consumer.get_watermark_offsets(TopicPartition(TOPIC, number), timeout=30)
    consumer.assign([TopicPartition(TOPIC, number, 0)])
    messages += consumer.consume(end, timeout=30) if end else []
consumer.close()

exchanges = [message for message in messages if ".exchange." in headers(message)["ce_type"]]
latest = max(exchanges, key=lambda message: headers(message)["ce_time"])
for name, text in headers(latest).items():
    print(f"{name}: {text}")
if "key_id" in headers(latest):
    print(f"value: {len(latest.value())} bytes that nobody can read without the key")
else:
    print("value:", msgspec.msgpack.decode(latest.value())["request"]["body"].decode())

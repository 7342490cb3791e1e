"""Customers: `python traffic.py 1000` asks for so many decisions, 50 a second, always the same ones."""

import random
import sys
import time

import httpx

URL = "http://127.0.0.1:8000/decide"
PER_SECOND = 50

count = int(sys.argv[1])
chance = random.Random(7)  # noqa: S311 (the same customers each time, no secret)
began = time.monotonic()
with httpx.Client(trust_env=False, timeout=30) as client:
    for number in range(count):
        time.sleep(max(0.0, began + number / PER_SECOND - time.monotonic()))
        loan = {"income": 3000, "payment": round(3000 * chance.uniform(0.1, 0.6), 2)}
        client.post(URL, json=loan).raise_for_status()
print(f"{count:,} requests, all answered")

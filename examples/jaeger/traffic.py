"""Customers: `python traffic.py 100` asks for so many decisions, always the same, as loan-1, loan-2, …"""

import random
import sys

import httpx

URL = "http://127.0.0.1:8000/decide"

count = int(sys.argv[1])
chance = random.Random(7)  # noqa: S311 (the same customers each time, no secret)
with httpx.Client(trust_env=False, timeout=30) as client:
    for number in range(1, count + 1):
        loan = {"income": 3000, "payment": round(3000 * chance.uniform(0.1, 0.6), 2)}
        headers = {"x-request-id": f"loan-{number}"}
        client.post(URL, json=loan, headers=headers).raise_for_status()
print(f"{count:,} requests, all answered")

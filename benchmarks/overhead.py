"""What mirroring costs production: CPU a request and latency, against the same app without it.

    python benchmarks/overhead.py [--part fastapi|flask|network|broker …] [--variants NAME …] [--quick]
                                  [--rounds N] [--seconds S] [--rate R] [--json FILE]

Every variant in `variants.py` is a server process of its own, or a proxy in front of the bare one, started
once and kept warm. A round visits all of them in a shuffled order, one at a time, with the same open-loop
load; differences and ratios are taken within a round, so that a noisy minute hits both sides. Loopback only.
Linux only (CPU clocks by pid). The part `network` needs nginx and Envoy, and `broker` a Kafka.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import random
import signal
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import tables
from bench import ALL_CORES, Plan, started
from figures import summary
from machine import import_seconds, machine
from proxies import PROXIES, binary, version
from variants import ALL, PARTS, Variant, chosen

_TELEMETRY = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http", "shadow_mw")
_NEEDED = {
    "uvicorn": ("fastapi", "uvicorn", "httpx", *_TELEMETRY),
    "gunicorn": ("flask", "gunicorn", "requests", *_TELEMETRY),
}
_INSTALL = {
    "uvicorn": "pip install 'shadow-mw[demo]'",
    "gunicorn": "pip install shadow-mw flask gunicorn requests",
}
# Batches of records and of spans wait half a second; their cost belongs to the turn that caused it.
_USUAL = {
    "rounds": 10,
    "seconds": 6.0,
    "rate": 200.0,
    "warm_up": 1,
    "settle_seconds": 0.8,
    "quiet_cores": ALL_CORES,
    "minutes": 60.0,
}
_QUICK = {
    "rounds": 2,
    "seconds": 0.5,
    "rate": 50.0,
    "warm_up": 0,
    "settle_seconds": 0.1,
    "quiet_cores": ALL_CORES,
    "minutes": 60.0,
}


def measure(plan: Plan, variants: Sequence[Variant]) -> dict[str, Any]:
    """The whole benchmark, as it goes into the JSON file."""
    order = random.Random(plan.seed)
    load_before = os.getloadavg()
    ends_at = time.monotonic() + plan.minutes * 60
    with started(variants) as bench:
        for number in range(plan.warm_up):
            print(f"warm-up {number + 1} of {plan.warm_up}", file=sys.stderr)
            bench.round(variants, plan, order)
        rounds = []
        for number in range(plan.rounds):
            if rounds and time.monotonic() > ends_at:
                break
            print(f"round {number + 1} of {plan.rounds}", file=sys.stderr)
            rounds.append(bench.round(variants, plan, order))
        next_request_ms = {variant.name: bench.next_request_ms(variant.name) for variant in variants}
    turns = [turn for one in rounds for turn in one.values()]
    return {
        "machine": {**machine(), "proxies": _proxies(variants)},
        "plan": asdict(plan),
        "load_average": {"before": load_before, "after": os.getloadavg()},
        "others_cores": statistics.median(turn.others_cores for turn in turns),
        "repeated_turns": sum(turn.tries - 1 for turn in turns),
        "generator_late_p99_ms": statistics.median(turn.late_p99_ms for turn in turns),
        "variants": {
            name: {**figures, "next_request_ms": next_request_ms[name]}
            for name, figures in summary(rounds, variants).items()
        },
        "rounds": [{name: asdict(turn) for name, turn in one.items()} for one in rounds],
    }


def _proxies(variants: Sequence[Variant]) -> dict[str, str]:
    return {kind: version(kind) for kind in sorted({variant.proxy for variant in variants} - {""})}


def report(result: Mapping[str, Any]) -> str:
    """The result for a person."""
    plan, imports, found = result["plan"], result["import_seconds"], result["variants"]
    direct = {name: figures for name, figures in found.items() if not figures["proxy"]}
    shown = [tables.overhead(direct)]
    if result["machine"]["proxies"]:
        shown += [tables.network({**_network_only(direct), **_proxied(found)}), tables.mirroring(found)]
    described = "\n".join(f"  {name:<16} {ALL[name].describes}" for name in found)
    return (
        f"{len(result['rounds'])} rounds of {plan['seconds']:g} s at {plan['rate']:g} requests/s; "
        f"medians over rounds, quartiles in brackets\n\n" + "\n\n".join([*shown, described, ""]) + "\n"
        f"import shadow_mw: {imports['alone'] * 1e3:.0f} ms alone, "
        f"{imports['after_fastapi'] * 1e3:.0f} ms in a process that has imported fastapi\n"
        f"other work on the machine: {result['others_cores']:.2f} of {result['machine']['cpus']} cores, "
        f"{result['repeated_turns']} turns repeated for it; "
        f"load generator late by {result['generator_late_p99_ms']:.2f} ms (p99)"
    )


def _network_only(found: Mapping[str, Any]) -> dict[str, Any]:
    names = {variant.name for variant in PARTS["network"]}
    return {name: figures for name, figures in found.items() if name in names}


def _proxied(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: figures for name, figures in found.items() if figures["proxy"]}


def refuse_incomplete(variants: Sequence[Variant]) -> None:
    """Name what is missing, with the command that installs it.

    Raises:
        SystemExit: something is.

    """
    for server in sorted({variant.server for variant in variants}):
        for name in _NEEDED[server]:
            if not _is_installed(name):
                raise SystemExit(f"{name} is not installed: {_INSTALL[server]}")
    for kind in sorted({variant.proxy for variant in variants} - {""}):
        if not binary(kind):
            raise SystemExit(f"{kind} is not installed: {PROXIES[kind][2]}")
    if any(variant.has_broker for variant in variants):
        from kafka_site import missing

        if how := missing():
            raise SystemExit(how)
    if not hasattr(time, "clock_gettime") or not sys.platform.startswith("linux"):
        raise SystemExit("this benchmark reads CPU clocks by pid, which only Linux has")


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n", 1)[0],
        epilog="\n".join(f"{part}: {' '.join(one.name for one in PARTS[part])}" for part in PARTS),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--part", nargs="+", choices=PARTS, default=["fastapi"], help="what to run (fastapi); listed below"
    )
    parser.add_argument(
        "--variants",
        nargs="+",
        default=[],
        metavar="NAME",
        help="run these instead, with what they are measured against",
    )
    parser.add_argument("--rounds", type=int, help="rounds that count (10)")
    parser.add_argument("--seconds", type=float, help="seconds of load a turn (6)")
    parser.add_argument("--rate", type=float, help="requests a second (200)")
    parser.add_argument("--warm-up", type=int, help="rounds before those that count (1)")
    parser.add_argument(
        "--quiet-cores",
        type=float,
        metavar="CORES",
        help="repeat a turn during which other work took more (no limit)",
    )
    parser.add_argument("--minutes", type=float, help="begin no round later than this (60)")
    parser.add_argument("--seed", type=int, default=1, help="of the order within rounds (1)")
    parser.add_argument("--quick", action="store_true", help="2 rounds of half a second: does it run at all?")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    return parser.parse_args()


def main() -> None:
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    variants = chosen(options.part, options.variants)
    refuse_incomplete(variants)
    usual = _QUICK if options.quick else _USUAL
    given = {name: value for name, value in vars(options).items() if name in usual and value is not None}
    plan = Plan(**{**usual, **given}, seed=options.seed)
    repeats = 1 if options.quick else 5
    imports = {
        "alone": import_seconds("pass", repeats),
        "after_fastapi": import_seconds("import fastapi", repeats),
    }
    result = {"import_seconds": imports, **measure(plan, variants)}
    print(report(result))
    if options.json is not None:
        options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()

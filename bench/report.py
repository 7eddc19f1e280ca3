"""A Markdown table from the benchmarks' results.

pytest --benchmark --benchmark-json=results.json
python -m bench.report results.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

HEAD = "| case | contender | median | of one | ns/sample | GB/s | share of a read | × fastgd |"
LEAST_BYTES = 1_000_000  # of less, a read takes the time of its call: no share of it is told
RULE = "|---|---|--:|---|--:|--:|--:|--:|"


def main():
    parser = argparse.ArgumentParser(description="Turn pytest-benchmark's JSON into a Markdown table.")
    parser.add_argument("results", type=Path, help="the file that --benchmark-json wrote")
    parser.add_argument("--case", default="", help="only cases whose name contains this")
    options = parser.parse_args()
    results = json.loads(options.results.read_text(encoding="utf-8"))
    print("\n".join([*heading(results), "", HEAD, RULE, *rows(results["benchmarks"], options.case)]))


def heading(results):
    machine = results["machine_info"]
    versions = {"Python": machine["python_version"]} | machine["versions"]
    lines = [
        f"{machine['cpu'].get('brand_raw', machine['processor'])}, {machine['threads']} processors, "
        f"{machine['system']} {machine['machine']}.",
        ", ".join(f"{name} {version}" for name, version in versions.items()) + ".",
    ]
    if machine["smoke"]:
        lines.append("**Smoke run: one round of tiny sizes. These are no measurements.**")
    return lines


def rows(benchmarks, wanted):
    medians = {(b["group"], b["extra_info"]["contender"]): b["stats"]["median"] for b in benchmarks}
    for b in sorted(benchmarks, key=lambda b: _order(benchmarks, b)):
        if wanted not in b["group"]:
            continue
        info, median = b["extra_info"], b["stats"]["median"]
        ours = medians.get((b["group"], "fastgd"))
        cells = [
            b["group"],
            info["contender"],
            time_text(median),
            info["unit"],
            _number(info.get("ns_per_sample"), ".3g"),
            _number(info.get("gb_per_second"), ".3g"),
            _number(info["share_of_read"] if info.get("bytes", 0) >= LEAST_BYTES else None, ".1%"),
            _number(ours and median / ours, ".2f"),
        ]
        yield f"| {' | '.join(cells)} |"


def _order(benchmarks, benchmark):
    """Cases as they ran, the fastest contender of each first."""
    first = next(i for i, other in enumerate(benchmarks) if other["group"] == benchmark["group"])
    return first, benchmark["stats"]["median"]


def time_text(seconds):
    for unit, size in (("s", 1), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def _number(value, form):
    return "" if value is None else format(value, form)


if __name__ == "__main__":
    main()

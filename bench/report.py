"""A Markdown table of benchmark results, and two charts.

pytest --benchmark --benchmark-json=results.json
python -m bench.report results.json --charts charts
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

COLUMNS = ("case and contender", "median", "of one", "ns/sample", "GB/s", "reads", "beside", "× fastgd")
LEAST_BYTES = 1_000_000  # reading fewer takes the time of a call, so a ratio says nothing
PLANNER_COLUMNS = ("solver and data", "epochs", "summary", "stream", '"auto" took', "times the faster")
WORDS = ("case and contender", "of one", "solver and data", '"auto" took')
"""Columns of words, aligned left. Numbers are aligned right."""
CLOSE = 1.2


def main():
    parser = argparse.ArgumentParser(description="Turn pytest-benchmark's JSON into a Markdown table.")
    parser.add_argument("results", type=Path, help="the file that --benchmark-json wrote")
    parser.add_argument("--case", default="", help="only cases whose name contains this")
    parser.add_argument("--charts", type=Path, metavar="FOLDER", help="draw the two charts into this folder")
    options = parser.parse_args()
    results = json.loads(options.results.read_text(encoding="utf-8"))
    lines = table(results, options.case)
    if options.charts:
        from bench import charts

        drawn = charts.draw(results["benchmarks"], "\n".join(heading(results)), options.charts)
        lines += ["", *(f"{path.as_posix()} drawn." for path in drawn)]
    print("\n".join(lines))


def table(results, case=""):
    """The lines of the table, for cases whose name contains `case`."""
    wanted = [b for b in results["benchmarks"] if case in b["group"]]
    times = [b for b in wanted if "grid" not in b["extra_info"]]
    grids = [b for b in wanted if "grid" in b["extra_info"]]
    lines = heading(results)
    if times:
        lines += ["", *markdown(COLUMNS, rows(times))]
    if grids:
        lines += ["", *planner_summary(grids)]
    if slow_choices := list(planner_rows(grids)):
        lines += ["", *markdown(PLANNER_COLUMNS, slow_choices)]
    return lines


def markdown(columns, rows):
    """A Markdown table, padded for terminals. A row with one cell is a heading."""
    lines = [columns, *rows]
    widths = [max(len(line[i]) for line in lines if len(line) > 1) for i in range(len(columns))]
    are_words = [name in WORDS for name in columns]
    rule = [
        ("-" if is_word else ":").rjust(width, "-") for is_word, width in zip(are_words, widths, strict=True)
    ]
    lines.insert(1, rule)
    for line in lines:
        if len(line) == 1:
            yield f"| **{line[0]}** |"
            continue
        cells = zip(line, widths, are_words, strict=True)
        padded = [cell.ljust(width) if is_word else cell.rjust(width) for cell, width, is_word in cells]
        yield f"| {' | '.join(padded)} |"


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


def rows(benchmarks):
    """A heading for each case, and a row for each contender."""
    case = None
    medians = {(b["group"], b["extra_info"]["contender"]): b["stats"]["median"] for b in benchmarks}
    for b in sorted(benchmarks, key=lambda b: _order(benchmarks, b)):
        info, median = b["extra_info"], b["stats"]["median"]
        ours = medians.get((b["group"], "fastgd"))
        is_large = info.get("bytes", 0) >= LEAST_BYTES
        beside = (f"{other['times']:.2f} × {name}" for name, other in info.get("beside", {}).items())
        if case != (case := b["group"]):
            yield (case,)
        yield (
            info["contender"],
            time_text(median),
            info["unit"],
            _number(info.get("ns_per_sample"), ".3g"),
            _number(info.get("gb_per_second"), ".3g"),
            _number(info.get("reads") if is_large else None, ".3g"),
            ", ".join(beside),
            _number(ours and median / ours, ".2f"),
        )


def planner_summary(grids):
    ratios = [line["ratio"] for b in grids for line in b["extra_info"]["grid"]]
    far = sum(ratio > CLOSE for ratio in ratios)
    yield f'method="auto" took more than {CLOSE:g} times the faster method in {far} of {len(ratios)} cases:'


def planner_rows(grids):
    for b in grids:
        for line in b["extra_info"]["grid"]:
            if line["ratio"] > CLOSE:
                yield (
                    b["group"].removeprefix("planner, "),
                    str(line["n_epochs"]),
                    time_text(line["summary"]),
                    time_text(line["stream"]),
                    line["chosen"],
                    f"{line['ratio']:.2f}",
                )


def _order(benchmarks, benchmark):
    """Cases in the order of the run, with the fastest contender of each first."""
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

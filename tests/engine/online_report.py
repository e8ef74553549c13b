"""Print the tables of docs/online-campaign.md from the lines that ``ONLINE_RESULTS`` took: ``… online_report FILE...``."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

Line = dict[str, Any]
NOTHING = ("none", "nobody", "0")
DONE = re.compile(r"(in the cutover |on the way back )?(?P<kind>[^:(]+)(: (?P<detail>.*))?$")


def say(text: str) -> None:
    """Write a line."""
    sys.stdout.write(f"{text}\n")


def last_results(files: Iterable[Path]) -> list[Line]:
    """Return the last result of each seed."""
    found: dict[str, Line] = {}
    for file in files:
        for text in file.read_text().splitlines():
            line = json.loads(text)
            found[str(line["seed"])] = line
    return sorted(found.values(), key=lambda line: (str(line["seed"]).startswith("portal"), _number(line)))


def _number(line: Line) -> int:
    return int(str(line["seed"]).removeprefix("portal "))


def events(line: Line) -> Iterator[str]:
    """Yield the kind of each thing that was done; what found nothing to act on is left out."""
    for said in line["said"]:
        if said.startswith(("transactions", "gone back", "cutover undone", "refused (")):
            continue
        if said.startswith("killed"):
            yield f"portal's {said.partition(': ')[2]} killed"
        elif said.startswith("run ended at step"):
            yield "run ended as a step of the cutover began"
        elif said.startswith("doom: "):
            yield f"not survivable: {said.removeprefix('doom: ').partition(', verification')[0]}"
        elif said.startswith("schema changed: "):
            yield f"schema: {said.removeprefix('schema changed: ')}"
        elif (match := DONE.match(said)) and match["detail"] not in NOTHING:
            yield match["kind"]


def transactions(line: Line) -> int:
    """Return how many transactions of the workload were acknowledged, on the way back too."""
    found = [re.search(r"(?:transactions|gone back): (\d+)", said) for said in line["said"]]
    return sum(int(match[1]) for match in found if match)


def print_tables(lines: list[Line]) -> None:
    """Print how often what happened, and a row for each run."""
    counted = Counter(kind for line in lines for kind in events(line))
    undone = sum(said.startswith("cutover undone") for line in lines for said in line["said"])
    back = sum(said.startswith("gone back") for line in lines for said in line["said"])
    results = Counter(line["result"] for line in lines)
    say(f"{len(lines)} runs: " + ", ".join(f"{count} {word}" for word, count in sorted(results.items())) + ".")
    say(f"{sum(map(transactions, lines)):,} acknowledged transactions; {sum(counted.values())} faults and changes;")
    say(f"{undone} cutovers undone and asked again; {back} times there and back.\n")
    say("| what happened | times |\n|---|---:|")
    for kind, count in sorted(counted.items()):
        say(f"| {kind} | {count} |")
    say("\n| seed | majors | engine | what happened | transactions | s | result |\n|---|---|---|---|---:|---:|---|")
    for line in lines:
        majors = f"{line['major']} → {line['target_major']}"
        words = "; ".join(events(line))
        say(
            f"| {line['seed']} | {majors} | {line['engine'].replace('_', ' ')} | {words} | {transactions(line):,} "
            f"| {line['seconds']} | {line['result']} |"
        )


if __name__ == "__main__":
    print_tables(last_results(Path(name) for name in sys.argv[1:]))

#!/usr/bin/env python3
"""The runs of docs/evaluation.md: both packaged models over books, meetings and key-value objects.

    bench/evaluation.py --data DATA --out /tmp/runs [--only smollm2-needles --only …]

--data holds books/{moby-dick,news-from-nowhere,war-and-peace}.txt, qmsum/test.jsonl and
kv-retrieval/kv-retrieval-140_keys.jsonl.gz. Each run is one `tome eval` in a folder of its own under --out, where its
summary and report lie; its command, its seconds and what it printed are shown. A run that was stopped goes on. The runs
named …-without-reuse repeat the one before with --no-reuse: the two are compared line by line, and their seconds divided.
"""
import argparse
import gzip
import json
import pathlib
import subprocess
import sys
import time

BOOKS = ["moby-dick", "news-from-nowhere", "war-and-peace"]
BOOK_BYTES = 127000  # 32,095 tokens of Gemma's: whole, they are read once for all questions
QUESTIONS = [
    ("Whose name does the narrator give as his own in the first line of the first chapter?", ["Ishmael"]),
    ("At which inn of New Bedford does the narrator spend the night?", ["The Spouter-Inn", "Spouter Inn"]),
    ("What is the landlord of that inn called?", ["Peter Coffin", "Coffin"]),
    ("Which harpooneer shares the narrator's bed?", ["Queequeg"]),
    ("Who preaches in the Whaleman's Chapel?", ["Father Mapple", "Mapple"]),
    ("Which prophet is the sermon about?", ["Jonah"]),
    ("From which city does the narrator start for Cape Horn and the Pacific?", ["Manhatto", "old Manhatto", "New York"]),
    ("To which port did Jonah want to sail, according to the preacher?", ["Tarshish"]),
]


def prepare(data, folder):
    """Files that runs read: the key-value objects unpacked, eight questions about the beginning of a book."""
    folder.mkdir(parents=True, exist_ok=True)
    with gzip.open(data / "kv-retrieval/kv-retrieval-140_keys.jsonl.gz") as packed:
        (folder / "kv-retrieval-140_keys.jsonl").write_bytes(packed.read())
    text = (data / "books/moby-dick.txt").read_bytes()[:BOOK_BYTES].decode("utf-8", "ignore")
    (folder / "beginning.txt").write_text(text, encoding="utf-8")
    with open(folder / "questions.jsonl", "w", encoding="utf-8") as lines:
        for question, answers in QUESTIONS:
            print(json.dumps({"file": "beginning.txt", "question": question, "answers": answers}), file=lines)


def runs(data, prepared):
    books = [flag for book in BOOKS for flag in ("--haystack", data / f"books/{book}.txt")]
    moby = ["--haystack", data / "books/moby-dick.txt"]
    news = ["--data", data / "books/news-from-nowhere.txt"]
    small, large = ["-m", "smollm2-135m"], ["-m", "gemma3-270m"]
    grid = ["niah", *large, *moby, "--lengths", "32k", "--depths", "0,14,29,43,57,71,86,100", "--samples", 1]
    asked = ["bookqa", *large, "--data", prepared / "questions.jsonl", "--max-input", 32600, "--no-baselines"]
    beyond = ["niah", *large, *moby, "--lengths", "64k", "--depths", "10,50,90", "--samples", 1, "--no-baselines"]
    keys = ["kv-retrieval", "--data", prepared / "kv-retrieval-140_keys.jsonl", "--samples", 6]
    meetings = ["qmsum", "--data", data / "qmsum/test.jsonl", "--samples", 12, "--no-baselines"]
    table = {
        "gemma-grid": grid,
        "gemma-grid-without-reuse": [*grid, "--no-reuse"],
        "gemma-questions": asked,
        "gemma-questions-without-reuse": [*asked, "--no-reuse"],
        "smollm2-needles": ["niah", *small, *books, "--lengths", "1k,2k,4k,8k", "--depths", "0,50,100", "--samples", 3,
                            "--rope-scaling", "none"],
        "gemma-needles": ["niah", *large, *books, "--lengths", "4k,8k,16k", "--depths", "0,50,100", "--samples", 2,
                          "--rope-scaling", "none"],
        "gemma-64k-none": [*beyond, "--rope-scaling", "none"],
        "gemma-64k-linear": [*beyond, "--rope-scaling", "linear", "--rope-factor", 2],
        "gemma-64k-ntk": [*beyond, "--rope-scaling", "ntk", "--rope-factor", 2],
        "gemma-64k-yarn": [*beyond, "--rope-scaling", "yarn", "--rope-factor", 2],
        "smollm2-perplexity": ["perplexity", *small, *news, "--lengths", "1k,2k,8k", "--samples", 1],
        "gemma-perplexity": ["perplexity", *large, *news, "--lengths", "2k,16k", "--samples", 1],
        "smollm2-cue": ["cue", *small, *books, "--needle-form", "uuid", "--lengths", "1k,2k", "--depths", "0,50,100",
                        "--samples", 3],
        "gemma-cue": ["cue", *large, *books, "--needle-form", "uuid", "--lengths", "1k,4k", "--depths", "0,50,100",
                      "--samples", 3],
        "smollm2-keys": [*keys, *small, "--rope-scaling", "yarn", "--rope-factor", 2, "--max-input", "16k"],
        "gemma-keys": [*keys, *large],
        "smollm2-meetings": [*meetings, *small],
        "gemma-meetings": [*meetings, *large],
    }
    return {name: [str(part) for part in flags] for name, flags in table.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--only", action="append", default=[], help="a run's name, or how it begins (may be repeated)")
    parser.add_argument("--tome", type=pathlib.Path, default="build/release/tome")
    arguments = parser.parse_args()
    prepared = arguments.out / "data"
    prepare(arguments.data, prepared)
    table = runs(arguments.data, prepared)
    for wanted in arguments.only:
        if not any(name.startswith(wanted) for name in table):
            parser.error(f"--only {wanted}: no such run, expected one of {', '.join(table)}")
    failed, seconds = 0, {}
    for name, flags in table.items():
        if arguments.only and not any(name.startswith(wanted) for wanted in arguments.only):
            continue
        folder = arguments.out / name
        command = [str(arguments.tome), "eval", *flags, "--out", str(folder)]
        print(f"== {name}\n{' '.join(command)}", flush=True)
        start = time.monotonic()
        result = subprocess.run(command, check=False)
        seconds[name] = time.monotonic() - start
        print(f"-- {name}: exit {result.returncode}, {seconds[name]:.0f} s", flush=True)
        failed += result.returncode != 0
        first = name.removesuffix("-without-reuse")
        if first != name and first in seconds:
            same = (folder / "results.jsonl").read_bytes() == (arguments.out / first / "results.jsonl").read_bytes()
            print(f"-- {first}: {100 * seconds[first] / seconds[name]:.0f} % of the time without reuse, "
                  f"results.jsonl {'the same bytes' if same else 'DIFFERENT'}", flush=True)
            failed += not same
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

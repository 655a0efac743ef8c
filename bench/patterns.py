#!/usr/bin/env python3
"""What each attention pattern costs and loses, beside exact attention: hidden digits, perplexity, time, growth.

    bench/patterns.py --book moby-dick.txt --model gemma3-270m --length 32k

For every --attention (the default list holds one of each kind): digits found at three depths (bench/passkey.py's
prompts), perplexity of the last --tail tokens given all the others, seconds of reading --length tokens, and tokens per
second of writing after them. --growth 8k,16k,32k,64k,128k also fits the exponent of the reading time over those lengths
(random ids; slope of log seconds over log tokens, least squares).
"""
import argparse
import json
import math
import pathlib
import random
import re
import sys
import tempfile

import passkey

PATTERNS = ["full", "window:4096", "streaming:sinks=64,window=4096", "duo:sinks=64,window=4096",
            "longformer:window=4096,globals=256", "bigbird:window=8,random=32,seed=1", "window_v3:c=8", "page_top_k:pages=64"]


def bench(arguments, attention, *flags):
    output = passkey.run_tome(arguments, "bench", "--json", "-r", 1, "-m", arguments.model, "-t", arguments.threads,
                              "--rope-scaling", "none", "--attention", attention, *flags, *arguments.tome_flag)
    return json.loads(output)["rows"]


def tail_perplexity(arguments, attention, text):
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        report = json.loads(passkey.run_tome(arguments, "score", "--json", "-m", arguments.model, "-t", arguments.threads,
                                             "--rope-scaling", "none", "--attention", attention, "--last", arguments.tail,
                                             file.name, *arguments.tome_flag))
    return math.exp(report["mean_nll"])


def exponent(points):
    x, y = [math.log(n) for n, _ in points], [math.log(seconds) for _, seconds in points]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    return sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y)) / sum((a - mean_x) ** 2 for a in x)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--book", type=pathlib.Path, required=True)
    parser.add_argument("--length", default="32k")
    parser.add_argument("--tail", type=int, default=2048)
    parser.add_argument("--attention", action="append", default=[], help="may be repeated (default: one of each kind)")
    parser.add_argument("--growth", default="", help="lengths over which the exponent of time is fitted: 8k,16k,…")
    parser.add_argument("--model", default="gemma3-270m")
    parser.add_argument("--tome", type=passkey.program, default="build/release/tome")
    parser.add_argument("--tome-flag", action="append", default=[])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=pathlib.Path, help="every figure, written as it comes")
    arguments = parser.parse_args()
    book = arguments.book.read_text(encoding="utf-8", errors="replace")
    length, question = passkey.tokens_of(arguments.length), passkey.QUESTIONS["continuation"]
    overhead = passkey.count_tokens(arguments, passkey.HINT.format(key=48213) + question) + passkey.HEADROOM
    haystack = passkey.cut_to(arguments, book, length - overhead)
    text = passkey.cut_to(arguments, book, length - 2)
    base_flags, rows = list(arguments.tome_flag), []
    for attention in arguments.attention or PATTERNS:
        row = {"attention": attention, "found": 0}
        arguments.tome_flag = base_flags + ["--attention", attention]
        for depth in (0.1, 0.5, 0.9):
            key = str(random.Random(f"{arguments.seed} {length} {depth}").randrange(10000, 100000))
            answer, _ = passkey.ask(arguments, passkey.prompt_of(haystack, depth, key, question), "none")
            digits = re.search(r"\d+", answer["text"])
            row["found"] += bool(digits) and digits.group() == key
        arguments.tome_flag = base_flags
        row["perplexity"] = tail_perplexity(arguments, attention, text)
        read, = bench(arguments, attention, "-p", length, "-n", 0)
        write, = bench(arguments, attention, "-p", 0, "-n", 32, "-d", length)
        row["read_seconds"], row["write_per_second"] = read["median_seconds"], write["tokens_per_second"]
        if arguments.growth:
            lengths = [passkey.tokens_of(n) for n in arguments.growth.split(",")]
            found = bench(arguments, attention, "-p", ",".join(map(str, lengths)), "-n", 0)
            row["growth"] = [(n, one["median_seconds"]) for n, one in zip(lengths, found)]
            row["exponent"] = exponent(row["growth"])
        rows.append(row)
        print(f"  {row}", file=sys.stderr)
        if arguments.json:
            arguments.json.write_text(json.dumps({"model": arguments.model, "length": length, "rows": rows}, indent=1) + "\n")
    print(f"| attention | digits at {arguments.length} | perplexity of the last {arguments.tail} | reading, s | "
          "writing, tokens/s | exponent |\n|---|---|---|---|---|---|")
    for row in rows:
        grown = f"{row['exponent']:.2f}" if "exponent" in row else ""
        print(f"| `{row['attention']}` | {row['found']} of 3 | {row['perplexity']:.2f} | {row['read_seconds']:.1f} | "
              f"{row['write_per_second']:.1f} | {grown} |")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Five digits hidden in a book, asked for as a plain continuation: what a context length is worth.

    bench/passkey.py --book moby-dick.txt --length 8k --length 16k --depth 0.1 --depth 0.5 --depth 0.9 --setting none
    bench/passkey.py --book moby-dick.txt --length 64k --setting none --setting linear:2 --setting yarn:2

The prompt is the book from its beginning, cut at --length tokens in all (the tokenizer of the model counts), with
"The pass key is 48213. Remember it: 48213 is the pass key." put between two sentences at the depth, and ends in
"The pass key is" (--ask question: in "What is the pass key? The pass key is"). The digits differ for every cell and
follow from --seed. Greedy, eight tokens; found means that the digits are the first ones of the continuation.
"""
import argparse
import json
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

HINT = "\n\nThe pass key is {key}. Remember it: {key} is the pass key.\n\n"
QUESTIONS = {"continuation": "\n\nThe pass key is", "question": "\n\nWhat is the pass key? The pass key is"}
HEADROOM = 12     # tokens left for BOS and for seams between the pieces


def tokens_of(text):
    number = text.lower()
    unit = {"k": 1024, "m": 1024 * 1024}.get(number[-1], 1)
    return int(float(number.rstrip("km")) * unit)


def run_tome(arguments, *flags):
    done = subprocess.run([str(arguments.tome), *map(str, flags)], stdout=subprocess.PIPE)
    if done.returncode:
        raise SystemExit(f"tome {flags[0]}: exit code {done.returncode}")
    return done.stdout.decode("utf-8", "replace")


def count_tokens(arguments, text):
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        return int(run_tome(arguments, "tokenize", "-m", arguments.model, "-f", file.name, "--count", "--no-special"))


def cut_to(arguments, book, tokens):
    """The book's beginning of at most `tokens` tokens and at least 99.5 % of them, cut at a space."""
    low, high = 0, min(len(book), tokens * 8)
    if count_tokens(arguments, book[:high]) <= tokens:
        if high == len(book) and count_tokens(arguments, book) < tokens * 0.995:
            raise SystemExit(f"the book is shorter than {tokens} tokens: give several with --book")
        low = high
    while high - low > 16:
        middle = (low + high) // 2
        found = count_tokens(arguments, book[:middle])
        if found <= tokens:
            low = middle
            if found >= tokens * 0.999:
                break
        else:
            high = middle
    return book[:book.rfind(" ", 0, low)] if low < len(book) else book


def sentence_end(text, position):
    """The end of the sentence before `position`, or the position itself near the beginning."""
    found = [match.end() for match in re.finditer(r"[.!?][\"')\]]*\s", text[max(0, position - 4000):position])]
    return max(0, position - 4000) + found[-1] if found else position


def prompt_of(haystack, depth, key, question):
    at = sentence_end(haystack, int(len(haystack) * depth)) if depth < 1 else len(haystack)
    return haystack[:at].rstrip() + HINT.format(key=key) + haystack[at:].lstrip() + question


def ask(arguments, prompt, setting):
    method, _, factor = setting.partition(":")
    flags = ["--rope-scaling", method] + (["--rope-factor", factor] if factor else [])
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.write(prompt)
        file.flush()
        start = time.monotonic()
        answer = json.loads(run_tome(arguments, "generate", "-m", arguments.model, "-t", arguments.threads, "-f", file.name,
                                     "-n", 8, "--json", "-q", "--temp", "0", *flags, *arguments.tome_flag))
    return answer, time.monotonic() - start


def program(name):
    return pathlib.Path(shutil.which(name) or name).resolve()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--book", type=pathlib.Path, action="append", required=True, help="may be repeated: joined in order")
    parser.add_argument("--length", action="append", default=[], help="tokens in all: 8k, 32k, 131072 (may be repeated)")
    parser.add_argument("--depth", type=float, action="append", default=[], help="0 … 1 (default: 0.1, 0.5, 0.9)")
    parser.add_argument("--setting", action="append", default=[], metavar="METHOD[:FACTOR]", help="none, linear:2, yarn:2 …")
    parser.add_argument("--ask", choices=QUESTIONS, default="continuation", help="how the prompt ends")
    parser.add_argument("--model", default="gemma3-270m")
    parser.add_argument("--tome", type=program, default="build/release/tome")
    parser.add_argument("--tome-flag", action="append", default=[], help="passed on to tome generate, as --tome-flag=--FLAG")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=pathlib.Path, help="every cell, written as it comes")
    arguments = parser.parse_args()
    book = "\n\n".join(path.read_text(encoding="utf-8", errors="replace") for path in arguments.book)
    depths, settings = arguments.depth or [0.1, 0.5, 0.9], arguments.setting or ["auto"]
    rows = []
    overhead = count_tokens(arguments, HINT.format(key=48213) + QUESTIONS[arguments.ask]) + HEADROOM
    for length in map(tokens_of, arguments.length or ["8k"]):
        haystack = cut_to(arguments, book, length - overhead)
        for setting in settings:
            for depth in depths:
                key = str(random.Random(f"{arguments.seed} {length} {depth}").randrange(10000, 100000))
                answer, seconds = ask(arguments, prompt_of(haystack, depth, key, QUESTIONS[arguments.ask]), setting)
                digits = re.search(r"\d+", answer["text"])
                rows.append({"length": length, "setting": setting, "depth": depth, "key": key, "text": answer["text"],
                             "found": bool(digits) and digits.group() == key, "seconds": seconds,
                             "prompt_tokens": answer["prompt_tokens"]})
                print(f"  {length} tokens ({answer['prompt_tokens']}), {setting}, depth {depth:g}: {key} "
                      f"{'found' if rows[-1]['found'] else 'not found'}: {answer['text']!r} ({seconds:.0f} s)", file=sys.stderr)
                if arguments.json:
                    arguments.json.write_text(json.dumps({"model": arguments.model, "cells": rows}, indent=1) + "\n")
    print("| tokens | positions | " + " | ".join(f"depth {depth:g}" for depth in depths) + " | found | seconds a question |")
    print("|---|---|" + "---|" * (len(depths) + 2))
    for length in dict.fromkeys(row["length"] for row in rows):
        for setting in settings:
            cells = [row for row in rows if row["length"] == length and row["setting"] == setting]
            print(f"| {length} | {setting} | " + " | ".join("yes" if c["found"] else "no" for c in cells)
                  + f" | {sum(c['found'] for c in cells)} of {len(cells)} | {sum(c['seconds'] for c in cells) / len(cells):.0f} |")


if __name__ == "__main__":
    main()

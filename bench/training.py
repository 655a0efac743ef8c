#!/usr/bin/env python3
"""What `tome extend` bought, and what it took: the runs of docs/training.md.

    bench/training.py --data ../shared/data --out /tmp/training --only memory
    bench/training.py --data ../shared/data --out /tmp/training --only smollm2-32k --budget 85m

--data holds books/{moby-dick,news-from-nowhere,war-and-peace}.txt: training reads the last two, everything is measured
on the first. Runs: memory (peaks of one step at 2K, 4K and 16K tokens: they must grow with the length alone and stay
below what was told before), smollm2-32k, gemma-128k (skip-wise samples, YaRN × 4), smollm2-retrieval (with --mix
retrieval). After a training the same last tokens of stretches of Moby-Dick are scored after contexts of several
lengths, by the model with scaled positions alone and with the adapter; passkeys are hidden at several lengths; the
merged file is scored by Tome and by llama.cpp (Python package llama-cpp-python, if it is there). All of it goes on
where it was stopped.
"""
import argparse
import json
import math
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

TARGET_TOKENS = 512  # that are scored at the end of each context
RUNS = {
    "smollm2-32k": {"model": "smollm2-135m", "target": "32k", "native": 2048, "contexts": [2048, 16384, 32768],
                    "passkey": "4k,8k,16k", "flags": []},
    "smollm2-retrieval": {"model": "smollm2-135m", "target": "32k", "native": 2048, "contexts": [2048, 16384],
                          "passkey": "4k,8k,16k", "flags": ["--mix", "retrieval:0.5"]},
    "gemma-128k": {"model": "gemma3-270m", "target": "128k", "native": 2048, "contexts": [2048, 32768],
                   "passkey": "64k,128k", "flags": []},
}


def run(*command):
    """Its output; a failure ends everything."""
    print("$", *command, flush=True)
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise SystemExit(f"exit code {done.returncode}")
    return done.stdout.decode("utf-8", "replace")


def memory(arguments):
    """Peak of one step over a plain sample; layers run again."""
    peaks, kept = {}, True
    with tempfile.TemporaryDirectory() as scratch:
        for tokens in (2048, 4096, 16384):
            command = [str(arguments.tome), "extend", "-m", "smollm2-135m", "--target", str(tokens), "--length", "64",
                       "--rope-scaling", "yarn", "--rope-factor", "2", "--samples", "plain", "--short-share", "0",
                       "--recompute", "layers", "--steps", "1", "--held-out", "0", "--no-eval", "--progress=never",
                       "--data", str(arguments.data / "books/war-and-peace.txt"), "--out", f"{scratch}/{tokens}"]
            child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            said = child.stdout.read()
            _, status, usage = os.wait4(child.pid, 0)
            if status:
                raise SystemExit(f"{' '.join(command)}: status {status}")
            peaks[tokens] = usage.ru_maxrss / 1024
            told = re.search(r"memory: at most ([\d.]+) ([KMG])B", said)
            if not told:
                raise SystemExit(f"{' '.join(command)}: does not say how much memory it takes:\n{said}")
            most = float(told[1]) * 1000 ** ("KMG".index(told[2]) + 1) / 2**20
            kept = kept and peaks[tokens] <= most * 1.005  # the figure told is rounded
            print(f"{tokens} tokens: {peaks[tokens]:.0f} MiB, told at most {most:.0f}", flush=True)
    share = (peaks[16384] - peaks[4096]) / (6 * (peaks[4096] - peaks[2048]))
    print(f"(M(16K) - M(4K)) / 6 (M(4K) - M(2K)) = {share:.3f}, expected at most 1.15")
    return kept and share <= 1.15


def score(arguments, model, tokens, contexts, ends, *more):
    """Mean negative log-likelihood of the last tokens before each end, by context."""
    means = {}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        for context in contexts:
            total = 0.0
            for end in ends:
                file.seek(0)
                file.truncate()
                json.dump(tokens[end - context:end], file)
                file.flush()
                text = run(arguments.tome, "score", "-m", model, "--tokens", file.name, "--last", TARGET_TOKENS, "--json",
                           *more)
                total += json.loads(text)["mean_nll"]
            means[context] = total / len(ends)
            print(f"context {context}: perplexity {math.exp(means[context]):.3f} of {len(ends)} × {TARGET_TOKENS} tokens",
                  flush=True)
    return means


def llama_cpp_nll(path, tokens):
    try:
        import llama_cpp
    except ImportError:
        return None
    import numpy
    model = llama_cpp.Llama(model_path=str(path), n_ctx=len(tokens), logits_all=True, verbose=False, n_threads=2)
    model.eval(tokens)
    rows = numpy.asarray(model.scores[:len(tokens) - 1], dtype=numpy.float64)
    rows -= rows.max(axis=1, keepdims=True)
    picked = rows[numpy.arange(len(tokens) - 1), tokens[1:]] - numpy.log(numpy.exp(rows).sum(axis=1))
    return float(-picked.mean())


def train(arguments, name):
    plan, folder = RUNS[name], arguments.out / name
    books = arguments.data / "books"
    moby = books / "moby-dick.txt"
    merged = arguments.out / f"{name}.gguf"
    ids = json.loads(run(arguments.tome, "tokenize", "-m", plan["model"], "-f", moby, "--json", "--no-special"))
    tokens = ids["tokens"] if isinstance(ids, dict) else ids
    longest = max(plan["contexts"])
    ends = [longest + i * (len(tokens) - longest) // arguments.places for i in range(arguments.places)]
    start = time.monotonic()
    print(run(arguments.tome, "extend", "-m", plan["model"], "--target", plan["target"], "--rope-factor", 4, "--data",
              books / "war-and-peace.txt", books / "news-from-nowhere.txt", "--budget", arguments.budget, "--no-eval",
              "--merge", merged, "--out", folder, *plan["flags"], *arguments.flag), flush=True)
    print(f"-- training: {time.monotonic() - start:.0f} s", flush=True)
    adapters = {"untrained": folder / "positions", "trained": folder}
    means = {"native": score(arguments, plan["model"], tokens, [plan["native"]], ends, "--rope-scaling", "none")}
    for which, adapter in adapters.items():
        print(f"-- {which}", flush=True)
        means[which] = score(arguments, plan["model"], tokens, plan["contexts"], ends, "--adapter", adapter)
    for context in plan["contexts"]:
        before, after = math.exp(means["untrained"][context]), math.exp(means["trained"][context])
        gain = [means[which][plan["native"]] - means[which][context] for which in adapters]
        print(f"-- context {context}: {before:.3f} → {after:.3f} ({after / before:.3f} ×), gain over "
              f"{plan['native']} tokens {gain[0]:+.4f} → {gain[1]:+.4f} nats", flush=True)
    short = math.exp(means["trained"][plan["native"]]), math.exp(means["native"][plan["native"]])
    print(f"-- short texts: {short[1]:.3f} as it was, {short[0]:.3f} trained ({short[0] / short[1] - 1:+.2%})", flush=True)
    for which, adapter in adapters.items():
        print(run(arguments.tome, "eval", "niah", "-m", plan["model"], "--adapter", adapter, "--haystack", moby, "--lengths",
                  plan["passkey"], "--depths", "0,50,100", "--samples", arguments.samples, "--no-baselines", "--out",
                  arguments.out / f"{name}-passkey-{which}"), flush=True)
    stretch = tokens[:4096]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(stretch, file)
        file.flush()
        own = json.loads(run(arguments.tome, "score", "-m", merged, "--tokens", file.name, "--json"))["mean_nll"]
    other = llama_cpp_nll(merged, stretch)
    if other is None:
        print("-- llama.cpp: the package is not there, not compared")
        return True
    ratio = math.exp(other - own)
    print(f"-- merged file, {len(stretch)} tokens: Tome {math.exp(own):.4f}, llama.cpp {math.exp(other):.4f}, "
          f"ratio {ratio:.4f}")
    return abs(ratio - 1) <= 0.01


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--only", action="append", choices=["memory", *RUNS], default=[], help="may be repeated")
    parser.add_argument("--budget", default="85m", help="of each training")
    parser.add_argument("--places", type=int, default=4, help="stretches of Moby-Dick that are scored")
    parser.add_argument("--samples", type=int, default=3, help="passkeys a length and depth")
    parser.add_argument("--flag", action="append", default=[], help="one more for tome extend: --flag=--rank --flag=32")
    parser.add_argument("--tome", type=pathlib.Path, default="build/release/tome")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    fine = True
    for name in arguments.only or ["memory", *RUNS]:
        print(f"== {name}", flush=True)
        fine = (memory(arguments) if name == "memory" else train(arguments, name)) and fine
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())

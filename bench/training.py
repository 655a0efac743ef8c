#!/usr/bin/env python3
"""What `tome extend` bought, and what it took: the runs of docs/training.md.

    bench/training.py --data ../shared/data --out /tmp/training --only memory
    bench/training.py --data ../shared/data --out /tmp/training --only smollm2-32k --budget 85m

--data holds books/{moby-dick,news-from-nowhere,war-and-peace}.txt: training reads the last two, everything is measured
on the first. Runs: memory (peaks of one step at 2K, 4K and 16K tokens: they must grow with the length alone and stay
below what was told before), smollm2-32k, gemma-128k (skip-wise samples, YaRN × 4), smollm2-retrieval (with --mix
retrieval). After a training the same last tokens of stretches of Moby-Dick are scored after contexts of several
lengths, by the model with scaled positions alone and with the adapter; passkeys are hidden at several lengths; the
adapter is held against the merged file, and Tome against llama.cpp on that file (Python package llama-cpp-python, if it
is there). Needs numpy. All of it goes on where it was stopped.
"""
import argparse
import json
import math
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

TARGET_TOKENS = 512  # that are scored at the end of each context
RUNS = {
    "smollm2-32k": {"model": "smollm2-135m", "target": "32k", "native": 2048, "contexts": [2048, 16384, 32768],
                    "passkey": "4k,8k,16k", "budget": "30m", "flags": ["--learning-rate", "5e-4"]},
    "smollm2-retrieval": {"model": "smollm2-135m", "target": "32k", "native": 2048, "contexts": [2048],
                          "passkey": "4k,8k,16k", "budget": "30m", "flags": ["--learning-rate", "1e-3", "--mix", "retrieval:0.8"]},
    "gemma-128k": {"model": "gemma3-270m", "target": "128k", "native": 2048, "contexts": [2048, 32768],
                   "passkey": "64k,128k", "budget": "15m", "flags": ["--learning-rate", "5e-4"]},
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


class Scores:
    """Mean negative log-likelihoods of the last tokens before each end, by context; kept in a file."""

    def __init__(self, arguments, plan, tokens):
        self.arguments, self.plan, self.tokens = arguments, plan, tokens
        longest = max(plan["contexts"])
        self.ends = [longest + i * (len(tokens) - longest) // arguments.places for i in range(arguments.places)]
        self.path = arguments.out / "scores.json"
        self.known = json.loads(self.path.read_text()) if self.path.exists() else {}

    def mean(self, which, context, *flags):
        losses = [self.one(which, context, end, flags) for end in self.ends]
        print(f"{which}, context {context}: " + ", ".join(f"{loss:.4f}" for loss in losses) +
              f" nats, perplexity {math.exp(sum(losses) / len(losses)):.3f} of {len(losses)} × {TARGET_TOKENS} tokens",
              flush=True)
        return sum(losses) / len(losses)

    def one(self, which, context, end, flags):
        name = f"{self.plan['model']} {self.plan['target']} {which} {context} {end}"
        if name not in self.known:
            with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
                json.dump(self.tokens[end - context:end], file)
                file.flush()
                text = run(self.arguments.tome, "score", "-m", self.plan["model"], "--tokens", file.name, "--last",
                           TARGET_TOKENS, "--json", *flags)
            self.known[name] = json.loads(text)["mean_nll"]
            self.path.write_text(json.dumps(self.known, indent=1))
        return self.known[name]


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


def adapter_is_merged(arguments, name, model, folder, extend, stretch):
    """Logits of the adapter at run time against those of the merged file: fp32 and as files are read."""
    import numpy
    fine = True
    with tempfile.TemporaryDirectory() as scratch:
        ids = f"{scratch}/ids.json"
        pathlib.Path(ids).write_text(json.dumps(stretch))
        for kind, flags in (("f32", ["--precision", "fp32", "--kv-type", "f32"]), ("bf16", [])):
            merged = arguments.out / f"{name}-{kind}.gguf"
            if not merged.exists():  # the run is over: the same command only writes the file
                run(*extend, "--merge", merged, "--type", kind)
            rows = []
            for of, more in (("adapter", ["-m", model, "--adapter", folder]), ("merged", ["-m", merged])):
                run(arguments.tome, "score", "--tokens", ids, "--logits", f"{scratch}/{of}", *more, *flags)
                rows.append(numpy.fromfile(f"{scratch}/{of}", dtype="<f4").reshape(len(stretch), -1).astype(numpy.float64))
            largest = numpy.abs(rows[0] - rows[1]).max()
            log_p = [row - row.max(axis=1, keepdims=True) for row in rows]
            log_p = [row - numpy.log(numpy.exp(row).sum(axis=1, keepdims=True)) for row in log_p]
            kl = (numpy.exp(log_p[0]) * (log_p[0] - log_p[1])).sum(axis=1).mean()
            print(f"-- adapter and merged file, {kind}, {len(stretch)} tokens: largest difference of logits {largest:.2e}, "
                  f"mean KL {kl:.2e}", flush=True)
            fine = fine and (largest <= 1e-3 if kind == "f32" else kl <= 1e-4)
    return fine


def llama_cpp_agrees(arguments, merged, stretch):
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
          f"ratio {ratio:.4f}", flush=True)
    return abs(ratio - 1) <= 0.01


def train(arguments, name):
    plan, folder = RUNS[name], arguments.out / name
    books = arguments.data / "books"
    moby = books / "moby-dick.txt"
    ids = json.loads(run(arguments.tome, "tokenize", "-m", plan["model"], "-f", moby, "--json", "--no-special"))
    tokens = ids["tokens"] if isinstance(ids, dict) else ids
    extend = [arguments.tome, "extend", "-m", plan["model"], "--target", plan["target"], "--rope-factor", 4, "--data",
              books / "war-and-peace.txt", books / "news-from-nowhere.txt", "--budget", arguments.budget or
              plan["budget"], "--precision", "bf16", "--no-eval", "--out", folder, *plan["flags"], *arguments.flag]
    start = time.monotonic()
    if not (folder / "adapter_model.safetensors").exists():
        print(run(*extend), flush=True)
        print(f"-- training: {time.monotonic() - start:.0f} s", flush=True)
    fine = adapter_is_merged(arguments, name, plan["model"], folder, extend, tokens[:1024])
    fine = llama_cpp_agrees(arguments, arguments.out / f"{name}-bf16.gguf", tokens[:4096]) and fine

    untrained = arguments.out / f"{plan['model']}-{plan['target']}-positions"  # the same for all runs of a model
    if not untrained.exists():
        shutil.copytree(folder / "positions", untrained)
    adapters = {"untrained": untrained, name: folder}
    scores = Scores(arguments, plan, tokens)
    native = scores.mean("native", plan["native"], "--rope-scaling", "none")
    means = {which: {context: scores.mean(which, context, "--adapter", adapter) for context in plan["contexts"]}
             for which, adapter in adapters.items()}
    for context in plan["contexts"]:
        before, after = math.exp(means["untrained"][context]), math.exp(means[name][context])
        gain = [means[which][plan["native"]] - means[which][context] for which in adapters]
        print(f"-- context {context}: {before:.3f} → {after:.3f} ({after / before:.3f} ×), gain over "
              f"{plan['native']} tokens {gain[0]:+.4f} → {gain[1]:+.4f} nats")
    short = math.exp(means[name][plan["native"]] - native)
    print(f"-- short texts: {math.exp(native):.3f} as it was, {math.exp(native) * short:.3f} trained ({short - 1:+.2%})",
          flush=True)
    for which, adapter in adapters.items():
        whose = f"{plan['model']}-{plan['target']}" if which == "untrained" else name
        print(run(arguments.tome, "eval", "niah", "-m", plan["model"], "--adapter", adapter, "--haystack", moby,
                  "--lengths", plan["passkey"], "--depths", arguments.depths, "--samples", arguments.samples,
                  "--no-baselines", "--out", arguments.out / f"{whose}-passkey"), flush=True)
    return fine


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--only", action="append", choices=["memory", *RUNS], default=[], help="may be repeated")
    parser.add_argument("--budget", help="of each training (30m, gemma-128k: 15m)")
    parser.add_argument("--places", type=int, default=4, help="stretches of Moby-Dick that are scored")
    parser.add_argument("--samples", type=int, default=3, help="passkeys a length and depth")
    parser.add_argument("--depths", default="0,50,100", help="at which they are hidden, percent")
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

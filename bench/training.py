#!/usr/bin/env python3
"""What `tome extend` bought, and what it took: the runs of docs/training.md.

    bench/training.py --data DATA --out /tmp/training --only memory
    bench/training.py --data DATA --out /tmp/training --only smollm2-32k --budget 85m

--data holds books/{moby-dick,news-from-nowhere,war-and-peace}.txt: training reads the last two, everything is measured
on the first. Runs: memory (peaks of one step at 2K, 4K and 16K tokens: they must grow with the length alone and stay
below what was told before), smollm2-32k, gemma-128k (skip-wise samples, YaRN × 4), smollm2-retrieval (with --mix
retrieval). After a training the same last tokens of stretches of Moby-Dick are scored after contexts of several
lengths, by the model with scaled positions alone and with the adapter; passkeys are hidden at several lengths; the
adapter is held against the merged file, and Tome against llama.cpp on that file (Python package llama-cpp-python, if it
is there). Needs numpy. All of it goes on where it was stopped.
"""
import argparse
import hashlib
import json
import math
import os
import pathlib
import re
import shutil
import sys
import tempfile
import time

from compare_llama_cpp import run_measured
from exactness import compare, log_softmax, logits_of, run_tome, token_ids, write_ids

TARGET_TOKENS = 512  # that are scored at the end of each context
RUNS = {
    "smollm2-32k": {"model": "smollm2-135m", "target": "32k", "factor": 4, "native": 2048, "contexts": [2048, 16384, 32768],
                    "passkey": "4k,8k,16k", "budget": "30m", "flags": ["--learning-rate", "5e-4"]},
    "smollm2-retrieval": {"model": "smollm2-135m", "target": "16k", "factor": 2, "native": 2048, "contexts": [2048],
                          "passkey": "4k,8k,16k", "budget": "30m",
                          "flags": ["--learning-rate", "7e-4", "--mix", "retrieval:0.8", "--short-share", "0.1"]},
    "gemma-128k": {"model": "gemma3-270m", "target": "128k", "factor": 4, "native": 2048, "contexts": [2048, 32768],
                   "passkey": "64k,128k", "budget": "15m", "flags": ["--learning-rate", "5e-4"]},
}


def tome(arguments, *flags):
    """Its output; a failure ends everything."""
    print("$ tome", *flags, flush=True)
    return run_tome(arguments, *flags).decode("utf-8", "replace")


def memory(arguments):
    """Peak of one step over a plain sample; layers run again."""
    peaks, kept = {}, True
    with tempfile.TemporaryDirectory() as scratch:
        for tokens in (2048, 4096, 16384):
            command = [str(arguments.tome), "extend", "-m", "smollm2-135m", "--target", str(tokens), "--length", "64",
                       "--rope-scaling", "yarn", "--rope-factor", "2", "--samples", "plain", "--short-share", "0",
                       "--recompute", "layers", "--steps", "1", "--held-out", "0", "--no-eval", "--progress=never",
                       "--data", str(arguments.data / "books/war-and-peace.txt"), "--out", f"{scratch}/{tokens}"]
            said, peak = run_measured(command, 3600)
            told = re.search(r"memory: at most ([\d.]+) ([KMG])B", said)
            if not told:
                raise SystemExit(f"{' '.join(command)}: does not say how much memory it takes:\n{said}")
            peaks[tokens], most = peak / 2**20, float(told[1]) * 1000 ** ("KMG".index(told[2]) + 1) / 2**20
            kept = kept and peaks[tokens] <= most * 1.005  # the figure told is rounded
            print(f"{tokens} tokens: {peaks[tokens]:.0f} MiB, told at most {most:.0f}", flush=True)
    share = (peaks[16384] - peaks[4096]) / (6 * (peaks[4096] - peaks[2048]))
    print(f"(M(16K) - M(4K)) / 6 (M(4K) - M(2K)) = {share:.3f}, expected at most 1.15")
    return kept and share <= 1.15


def fingerprint(adapter):
    """Of all that an adapter says."""
    files = [adapter / name for name in ("tome_adapter.json", "adapter_config.json", "adapter_model.safetensors")]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files if file.exists())).hexdigest()[:16]


class Scores:
    """Mean negative log-likelihoods of the last tokens before each end, by context; kept in a file."""

    def __init__(self, arguments, plan, tokens, bos):
        self.arguments, self.plan, self.tokens, self.bos = arguments, plan, tokens, bos
        longest = max(plan["contexts"])
        self.ends = [longest + i * (len(tokens) - longest) // arguments.places for i in range(arguments.places)]
        self.path = arguments.out / "scores.json"
        self.known = json.loads(self.path.read_text()) if self.path.exists() else {}

    def mean(self, which, context, adapter):
        """adapter: None: the model as it is."""
        losses = [self.one(context, end, adapter) for end in self.ends]
        print(f"{which}, context {context}: " + ", ".join(f"{loss:.4f}" for loss in losses) +
              f" nats, perplexity {math.exp(sum(losses) / len(losses)):.3f} of {len(losses)} × {TARGET_TOKENS} tokens",
              flush=True)
        return sum(losses) / len(losses)

    def one(self, context, end, adapter):
        name = f"{self.plan['model']} {fingerprint(adapter) if adapter else 'native'} {context} {end}"
        if name not in self.known:
            ids = self.bos + self.tokens[end - context + len(self.bos):end]
            flags = ["--adapter", adapter] if adapter else ["--rope-scaling", "none"]
            with tempfile.TemporaryDirectory() as scratch:
                text = tome(self.arguments, "score", "-m", self.plan["model"], "--tokens",
                            write_ids(pathlib.Path(scratch), ids), "--last", TARGET_TOKENS, "--json", *flags)
            self.known[name] = json.loads(text)["mean_nll"]
            self.path.write_text(json.dumps(self.known, indent=1))
        return self.known[name]


def llama_cpp_nll(path, tokens, block=256):
    try:
        import llama_cpp
    except ImportError:
        return None
    model = llama_cpp.Llama(model_path=str(path), n_ctx=len(tokens), logits_all=True, verbose=False,
                            n_threads=os.cpu_count())
    model.eval(tokens)
    total = 0.0
    for first in range(0, len(tokens) - 1, block):
        last = min(first + block, len(tokens) - 1)
        rows = log_softmax(model.scores[first:last])
        total -= sum(rows[i - first, tokens[i + 1]] for i in range(first, last))
    return total / (len(tokens) - 1)


def llama_cpp_agrees(arguments, merged, ids):
    with tempfile.TemporaryDirectory() as scratch:
        own = json.loads(tome(arguments, "score", "-m", merged, "--tokens", write_ids(pathlib.Path(scratch), ids),
                              "--json"))["mean_nll"]
    other = llama_cpp_nll(merged, ids)
    if other is None:
        print("-- llama.cpp: the package is not there, not compared")
        return True
    ratio = math.exp(other - own)
    print(f"-- merged file, {len(ids)} tokens: perplexity by Tome {math.exp(own):.4f}, by llama.cpp "
          f"{math.exp(other):.4f}, ratio {ratio:.4f}", flush=True)
    return abs(ratio - 1) <= 0.01


def adapter_is_merged(arguments, plan, folder, merged, kind, ids):
    """Logits of the adapter at run time against those of the merged file: fp32, and as files are read."""
    flags = ["--precision", "fp32", "--kv-type", "f32"] if kind == "f32" else []
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        of_adapter = logits_of(arguments, scratch, "adapter", plan["model"], ids, "--adapter", folder, *flags)
        of_file = logits_of(arguments, scratch, "merged", merged, ids, *flags)
        found = compare(of_adapter, of_file)
    print(f"-- adapter and merged file, {kind}, {len(ids)} tokens: largest difference of logits {found['max_abs']:.2e}, "
          f"mean KL {found['mean_kl']:.2e}", flush=True)
    return found["max_abs"] <= 1e-3 if kind == "f32" else found["mean_kl"] <= 1e-4


def train(arguments, name):
    plan, folder = RUNS[name], arguments.out / name
    books = arguments.data / "books"
    arguments.text = books / "moby-dick.txt"
    tokens = token_ids(arguments, plan["model"], False)
    bos = token_ids(arguments, plan["model"], True)[:1]
    bos = [] if bos == tokens[:1] else bos
    fine, start = True, time.monotonic()
    for kind in ("f32", "bf16"):  # the second time nothing is left to train
        merged = folder.with_name(f"{name}-{kind}.gguf")
        print(tome(arguments, "extend", "-m", plan["model"], "--target", plan["target"], "--rope-factor", plan["factor"],
                   "--data", books / "war-and-peace.txt", books / "news-from-nowhere.txt", "--budget",
                   arguments.budget or plan["budget"], "--precision", "bf16", "--no-eval", "--out", folder, "--merge",
                   merged, "--type", kind, *plan["flags"], *arguments.flag), flush=True)
        print(f"-- {time.monotonic() - start:.0f} s", flush=True)
        fine = adapter_is_merged(arguments, plan, folder, merged, kind, (bos + tokens)[:512]) and fine
    fine = llama_cpp_agrees(arguments, merged, (bos + tokens)[:2048]) and fine

    untrained = arguments.out / f"{plan['model']}-{plan['target']}-positions"  # the same for all runs of a model
    if not untrained.exists():
        shutil.copytree(folder / "positions", untrained)
    adapters = {"untrained": untrained, name: folder}
    scores = Scores(arguments, plan, tokens, bos)
    native = scores.mean("native", plan["native"], None)
    means = {which: {context: scores.mean(which, context, adapter) for context in plan["contexts"]}
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
        print(tome(arguments, "eval", "niah", "-m", plan["model"], "--adapter", adapter, "--haystack", arguments.text,
                   "--lengths", plan["passkey"], "--depths", arguments.depths, "--samples", arguments.samples,
                   "--no-baselines", "--out", arguments.out / f"passkey-{plan['model']}-{fingerprint(adapter)}"),
              flush=True)
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
    parser.add_argument("--threads", type=int, default=os.cpu_count())
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

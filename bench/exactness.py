#!/usr/bin/env python3
"""How exact the release build is: against the fp32 path on the real models' dequantised weights.

    bench/exactness.py --text fhs-3.0.txt --model gemma3-270m --model smollm2-135m --json exactness.json

Over the first 1500 tokens of the text: share of rows with the same most likely token, and the mean Kullback-Leibler
divergence KL(fp32 ‖ release), with keys and values in bf16, f16 and q8_0; the same between chunk sizes of the release
build; and whether one thread gives the same bytes as two. Then the perplexity of 512 tokens (SmolLM2: tokens 2000–2511
of fhs-3.0.txt; Gemma: BOS and tokens 2000–2510) beside the reference's. Needs numpy and room for two files of logits
(1500 × 262144 floats are 1.6 GB). The limits are those of docs/exactness.md; the exit code is 1 when one is broken.
"""
import argparse
import json
import math
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy as np

TOP_1, KL_LIMIT = 0.985, {"bf16": 2e-3, "f16": 2e-3, "q8_0": 4e-3}
CHUNK_KL = 5e-4
PERPLEXITY = {"smollm2-135m": 9.542, "gemma3-270m": 6.629}   # fp32 arithmetic on dequantised weights
PERPLEXITY_TOLERANCE = 0.005


def run_tome(arguments, *flags):
    done = subprocess.run([str(arguments.tome), *map(str, flags)], stdout=subprocess.PIPE)
    if done.returncode:
        raise SystemExit(f"tome {' '.join(map(str, flags))}: exit code {done.returncode}")
    return done.stdout


def token_ids(arguments, model, special):
    flags = ["tokenize", "-m", model, "-f", arguments.text, "--json"] + ([] if special else ["--no-special"])
    return json.loads(run_tome(arguments, *flags))


def write_ids(folder, ids):
    path = folder / "ids.json"
    path.write_text(json.dumps(ids))
    return path


def logits_of(arguments, folder, name, model, ids, *flags, threads=None):
    """float32 [tokens, vocabulary], mapped."""
    path = folder / f"{name}.logits"
    run_tome(arguments, "score", "-m", model, "--tokens", write_ids(folder, ids), "--logits", path,
             "-t", threads or arguments.threads, *flags)
    values = np.memmap(path, dtype="<f4", mode="r")
    if values.size % len(ids):
        raise SystemExit(f"tome score --logits: {values.size} values, expected a multiple of {len(ids)}")
    return values.reshape(len(ids), -1)


def log_softmax(rows):
    rows = rows.astype(np.float64)
    rows -= rows.max(axis=1, keepdims=True)
    return rows - np.log(np.exp(rows).sum(axis=1, keepdims=True))


def compare(expected, found, block=32):
    same, divergence, farthest = 0, [], 0.0
    for first in range(0, len(expected), block):
        wanted, got = expected[first:first + block], found[first:first + block]
        same += int((wanted.argmax(axis=1) == got.argmax(axis=1)).sum())
        farthest = max(farthest, float(np.abs(wanted - got).max()))
        p, q = log_softmax(np.asarray(wanted)), log_softmax(np.asarray(got))
        divergence.extend((np.exp(p) * (p - q)).sum(axis=1).tolist())
    return {"top_1": same / len(expected), "mean_kl": float(np.mean(divergence)),
            "worst_kl": float(np.max(divergence)), "max_abs": farthest}


def perplexity(arguments, folder, model, ids, *flags):
    answer = json.loads(run_tome(arguments, "score", "-m", model, "--tokens", write_ids(folder, ids), "--json",
                                 "-t", arguments.threads, *flags))
    return math.exp(answer["mean_nll"])


def measure(arguments, model, folder):
    with_special, plain = token_ids(arguments, model, True), token_ids(arguments, model, False)
    ids = with_special[:arguments.tokens]
    rows = []
    reference = logits_of(arguments, folder, "fp32", model, ids, "--precision", "fp32", "--kv-type", "f32")
    for kv_type, limit in KL_LIMIT.items():
        found = logits_of(arguments, folder, "release", model, ids, "--kv-type", kv_type)
        figures = compare(reference, found)
        rows.append({"what": f"release, KV {kv_type}, against fp32", **figures,
                     "kept": figures["top_1"] >= TOP_1 and figures["mean_kl"] <= limit,
                     "limit": f"top-1 ≥ {TOP_1:.1%}, mean KL ≤ {limit:g}"})
        del found
    del reference
    (folder / "fp32.logits").unlink()
    base = logits_of(arguments, folder, "base", model, ids)
    for chunk in arguments.chunk:
        found = logits_of(arguments, folder, "release", model, ids, "--chunk", chunk)
        figures = compare(base, found)
        rows.append({"what": f"release, chunk {chunk}, against chunk 512", **figures,
                     "kept": figures["mean_kl"] <= CHUNK_KL, "limit": f"mean KL ≤ {CHUNK_KL:g}"})
        del found
    found = logits_of(arguments, folder, "release", model, ids, threads=1)
    equal = bool((np.asarray(found).view(np.uint32) == np.asarray(base).view(np.uint32)).all())
    rows.append({"what": f"release, 1 thread, against {arguments.threads}", **compare(base, found), "kept": equal,
                 "limit": "the same bits"})
    del base, found
    window = plain[2000:2512] if with_special[:1] == plain[:1] else with_special[:1] + plain[2000:2511]
    letters = lambda name: "".join(filter(str.isalnum, name.lower()))
    wanted = next((value for name, value in PERPLEXITY.items() if letters(name) in letters(str(model))), None)
    perplexities = []
    for words, flags in (("fp32", ["--precision", "fp32", "--kv-type", "f32"]), ("release, KV bf16", []),
                         ("release, KV q8_0", ["--kv-type", "q8_0"])):
        value = perplexity(arguments, folder, model, window, *flags)
        perplexities.append({"what": words, "perplexity": value, "reference": wanted,
                             "kept": wanted is None or abs(value / wanted - 1) <= PERPLEXITY_TOLERANCE})
    return {"rows": rows, "perplexity": perplexities, "tokens": len(ids)}


def tables(report):
    lines = ["| model | what | top-1 agreement | mean KL | worst KL | max \\|Δlogit\\| | limit | |", "|---|---|---|---|---|---|---|---|"]
    for model, result in report.items():
        for row in result["rows"]:
            lines.append(f"| {model} | {row['what']} | {row['top_1']:.2%} | {row['mean_kl']:.2e} | {row['worst_kl']:.2e} | "
                         f"{row['max_abs']:.3g} | {row['limit']} | {'kept' if row['kept'] else 'BROKEN'} |")
    lines += ["", "| model | what | perplexity | reference | difference | |", "|---|---|---|---|---|---|"]
    for model, result in report.items():
        for row in result["perplexity"]:
            beside = (f"{row['reference']} | {row['perplexity'] / row['reference'] - 1:+.2%}" if row["reference"] else " | ")
            lines.append(f"| {model} | {row['what']} | {row['perplexity']:.4f} | {beside} | {'kept' if row['kept'] else 'BROKEN'} |")
    return "\n".join(lines)


def program(name):
    return pathlib.Path(shutil.which(name) or name).resolve()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="append", default=[], help="a name or a file (default: both packaged models)")
    parser.add_argument("--text", type=pathlib.Path, required=True, help="fhs-3.0.txt of the package debian-policy")
    parser.add_argument("--tokens", type=int, default=1500)
    parser.add_argument("--chunk", type=int, action="append", default=[], help="chunk sizes to compare (default: 64, 333)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tome", type=program, default="build/release/tome")
    parser.add_argument("--work", type=pathlib.Path, help="folder for the files of logits (default: a temporary one)")
    parser.add_argument("--json", type=pathlib.Path)
    arguments = parser.parse_args()
    arguments.chunk = arguments.chunk or [64, 333]
    report = {}
    with tempfile.TemporaryDirectory(dir=arguments.work) as folder:
        for model in arguments.model or ["gemma3-270m", "smollm2-135m"]:
            name = pathlib.Path(model).stem if pathlib.Path(model).exists() else model
            print(f"  {name}", file=sys.stderr)
            report[name] = measure(arguments, model, pathlib.Path(folder))
    print(tables(report))
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")
    sys.exit(not all(row["kept"] for result in report.values() for row in result["rows"] + result["perplexity"]))


if __name__ == "__main__":
    main()

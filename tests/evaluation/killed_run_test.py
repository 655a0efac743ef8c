#!/usr/bin/env python3
"""A run that is killed (SIGKILL) at random moments and started again ends with the very bytes of an undisturbed one.

    killed_run_test.py TOME MODEL_FOLDER [KILLS]

Runs `tome eval niah` on a tiny checkpoint; says at which sample each kill came. Fails when a kill came too late to
interrupt anything ten times out of ten, when the finished files differ, or when other settings are not refused.
"""
import pathlib
import random
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from kill_at import kill_at  # noqa: E402

TOME, MODEL = sys.argv[1:3]
KILLS = int(sys.argv[3]) if len(sys.argv) > 3 else 10


def check(suite, scratch):
    """suite: its name and flags."""
    def command(folder, *more):
        return [TOME, "eval", *suite, "-m", MODEL, "--rope-scaling", "none", "--out", str(folder), "--progress=never", *more]

    def finish(folder, *more):
        return subprocess.run(command(folder, *more), capture_output=True, text=True, timeout=600)

    whole, killed = pathlib.Path(scratch) / "whole", pathlib.Path(scratch) / "killed"
    begin = time.monotonic()
    done = finish(whole)
    took = time.monotonic() - begin
    if done.returncode:
        raise SystemExit(f"undisturbed run: exit code {done.returncode}: {done.stderr}")
    expected = (whole / "results.jsonl").read_bytes()
    lines = expected.count(b"\n")
    results = killed / "results.jsonl"

    def samples():
        return results.read_bytes().count(b"\n") if results.exists() else 0

    draw, interrupted, places = random.Random(5), 0, []
    # The first kill comes before there is anything.
    for target in [0] + sorted(draw.randrange(int(0.9 * lines)) for _ in range(KILLS - 1)):
        places.append(kill_at(command(killed), samples, target, draw.uniform(0, 0.05)))
        interrupted += places[-1] < lines
        if draw.random() < 0.5 and results.exists():  # as a machine that lost power may leave it: half a line
            with open(results, "ab") as file:
                file.write(expected.splitlines(keepends=True)[min(places[-1], lines - 1)][: draw.randrange(1, 200)])
    done = finish(killed)
    if done.returncode:
        raise SystemExit(f"after {KILLS} kills: exit code {done.returncode}: {done.stderr}")
    print(f"{lines} samples in {took:.1f} s; killed after {places} of them")
    if not interrupted or len(set(places)) < 3:
        raise SystemExit("no kill came in the middle of the run")
    for name in ("results.jsonl", "run.json", "summary.json", "report.html"):
        if (killed / name).read_bytes() != (whole / name).read_bytes():
            raise SystemExit(f"{name} differs from the undisturbed run's")
    if suite[0] != "niah":
        return
    without = pathlib.Path(scratch) / "without"
    done = finish(without, "--no-reuse")
    if done.returncode or (without / "results.jsonl").read_bytes() != expected:
        raise SystemExit(f"without reuse of shared beginnings the results differ: {done.stderr}")
    other = finish(whole, "--seed", "2")
    if other.returncode != 2 or "'seed' is 1, this run has 2" not in other.stderr:
        raise SystemExit(f"other settings were not refused: {other.returncode}: {other.stderr}")



def main():
    with tempfile.TemporaryDirectory() as scratch:
        niah, perplexity = pathlib.Path(scratch) / "niah", pathlib.Path(scratch) / "perplexity"
        check(["niah", "--lengths", "2k,4k", "--depths", "0,20,40,60,80,100", "--samples", "8"], niah)
        text = pathlib.Path(scratch) / "text.txt"
        draw = random.Random(7)
        text.write_text(" ".join(draw.choice(["the", "river", "runs", "low", "in", "autumn", "and", "stones"])
                                 for _ in range(30000)))
        check(["perplexity", "--data", str(text), "--lengths", "256,1k", "--samples", "24"], perplexity)


main()

#!/usr/bin/env python3
"""Training that is killed (SIGKILL) at random moments and started again ends with the curve and the adapter of an
undisturbed run, byte for byte.

    killed_training_test.py TOME MODEL [KILLS]

Trains a tiny checkpoint on text made here. Fails when no kill came in the middle, or when loss.csv or the adapter
differ.
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
KILLS = int(sys.argv[3]) if len(sys.argv) > 3 else 8
STEPS = 150


def text():
    draw = random.Random(7)
    words = ["the", "river", "runs", "low", "in", "autumn", "and", "stones", "show"]
    return " ".join(draw.choice(words) for _ in range(8000)) + "."


def main():
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        (folder / "text.txt").write_text(text())

        def command(name):
            return [TOME, "extend", "-m", MODEL, "--target", "512", "--data", str(folder / "text.txt"),
                    "--mix", "retrieval:0.1", "--length", "320", "--steps", str(STEPS), "--checkpoint-every", "5",
                    "--no-eval", "--threads", "1", "--out", str(folder / name), "--progress=never"]

        begin = time.monotonic()
        done = subprocess.run(command("whole"), capture_output=True, text=True, timeout=600)
        took = time.monotonic() - begin
        if done.returncode:
            raise SystemExit(f"undisturbed run: exit code {done.returncode}: {done.stderr}")
        curve = folder / "killed" / "loss.csv"

        def steps():
            return max(0, curve.read_text().count("\n") - 1) if curve.exists() else 0

        draw = random.Random(5)
        targets = [0] + sorted(draw.randrange(int(0.8 * STEPS)) for _ in range(KILLS - 1))  # 0: before there is anything
        places = [kill_at(command("killed"), steps, target, draw.uniform(0, 0.05)) for target in targets]
        done = subprocess.run(command("killed"), capture_output=True, text=True, timeout=600)
        if done.returncode:
            raise SystemExit(f"after {KILLS} kills: exit code {done.returncode}: {done.stderr}")
        print(f"{STEPS} steps in {took:.1f} s; the curve held {places} of them when the kills came")
        if not any(0 < place < STEPS for place in places):
            raise SystemExit("no kill came in the middle of the run")
        for name in ("loss.csv", "loss.svg", "adapter_model.safetensors", "adapter_config.json", "tome_adapter.json"):
            if (folder / "killed" / name).read_bytes() != (folder / "whole" / name).read_bytes():
                raise SystemExit(f"{name} differs from the undisturbed run's")


main()

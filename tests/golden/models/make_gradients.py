#!/usr/bin/env python3
"""The reference library's gradients on the tiny checkpoints beside this file: <name>/gradients.safetensors.

    pip install -r requirements.txt && python make_gradients.py [--only NAME]

Of the summed loss of the second sequence of reference.json, each token predicting the next: one tensor a parameter,
fp32, under the library's own names. Layers are cut off at the second, to keep the files small; what a later layer does
is in the gradients of the earlier ones.
"""
import argparse
import json
import pathlib

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

HERE = pathlib.Path(__file__).resolve().parent
NAMES = ["llama-untied", "llama-yarn", "mistral-window", "qwen2", "qwen3", "gemma3"]
KEPT = ("embed_tokens", "model.norm", "layers.0.self_attn", "layers.1.self_attn", "layers.1.mlp.down_proj",
        "layers.0.input_layernorm", "layers.0.post_attention_layernorm")


def gradients(folder):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    model.train(False)
    (sequence,) = [torch.tensor([ids]) for ids in json.loads((folder / "reference.json").read_text())["sequences"][1:2]]
    logits = model(sequence).logits[0, :-1]
    loss = torch.nn.functional.cross_entropy(logits, sequence[0, 1:], reduction="sum")
    loss.backward()
    kept = {name: parameter.grad.contiguous() for name, parameter in model.named_parameters()
            if any(part in name for part in KEPT)}
    assert all(gradient.abs().max() > 1e-3 for gradient in kept.values()), "a gradient that cannot fail"
    return kept, loss.item()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", default=[])
    arguments = parser.parse_args()
    for name in arguments.only or NAMES:
        kept, loss = gradients(HERE / name)
        save_file(kept, HERE / name / "gradients.safetensors", metadata={"loss": repr(loss)})
        print(f"{name}: {len(kept)} tensors, {sum(t.numel() for t in kept.values())} values, loss {loss:.6f}")


if __name__ == "__main__":
    main()

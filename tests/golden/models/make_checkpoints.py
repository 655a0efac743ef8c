#!/usr/bin/env python3
"""Makes the tiny random checkpoints beside this file, with the reference library's logits.

    pip install -r requirements.txt && python make_checkpoints.py [--only NAME] [--check-llama-cpp]

Each checkpoint is a Hugging Face folder (config.json, *.safetensors in fp32, tokenizer.json) with
  reference.json  token ids of three ragged sequences, the tokenizer's answer for one text, what made it;
  logits.bin      float32, little endian, [rows of all sequences in order, vocabulary], no header.
Some are written a second time as <name>.gguf (F32, Q and K of llama rows permuted to interleaved pairs and Gemma's norm
weights stored as weight + 1, as converters do). Norm weights are moved away from 1 and biases are random, so that no
parameter can be forgotten without notice; for every feature that a checkpoint is there for (scaling, window, ...) the
script asserts that leaving it out moves the logits, so that each golden can fail.
"""
import argparse
import json
import math
import pathlib
import shutil

import gguf
import numpy as np
import torch
import transformers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import (Gemma3ForCausalLM, Gemma3TextConfig, LlamaConfig, LlamaForCausalLM, MistralConfig,
                          MistralForCausalLM, Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM)

HERE = pathlib.Path(__file__).resolve().parent
VOCABULARY = 99
LENGTHS = (37, 61, 5)
TEXT = "the other path: over there, 12 months' worth of thin things\nThe end."
# Far below any effect that a missing feature has, far above rounding.
MUST_MOVE = 0.05

COMMON = dict(vocab_size=VOCABULARY, hidden_size=32, bos_token_id=0, eos_token_id=1, pad_token_id=1,
              max_position_embeddings=512, attention_dropout=0.0)
FULL, LOCAL = "full_attention", "sliding_attention"


def rope(kind="default", theta=10000.0, **values):
    return dict(rope_type=kind, rope_theta=theta, **values)


class Checkpoint:
    """One row of the list below."""

    def __init__(self, name, model_class, config, seed, drop=None, tokenizer="gpt2", legacy=False, shards=False,
                 gguf_file=False, about=""):
        self.name, self.model_class, self.config, self.seed = name, model_class, config, seed
        self.drop = drop or {}          # {words: function that takes the feature out of a config}
        self.tokenizer = tokenizer      # which pre-tokeniser the folder's tokenizer.json uses
        self.legacy = legacy            # config.json in the spelling before transformers 5 (rope_theta, rope_scaling)
        self.shards, self.gguf_file, self.about = shards, gguf_file, about


def without_scaling(config):
    config.rope_parameters = rope(theta=config.rope_parameters["rope_theta"])


def without_window(config):
    config.sliding_window = 4096


def without_global_scaling(config):
    config.rope_parameters[FULL] = rope(theta=config.rope_parameters[FULL]["rope_theta"])


def same_base_everywhere(config):
    config.rope_parameters[LOCAL] = rope(theta=config.rope_parameters[FULL]["rope_theta"])


def set_field(name, value):
    return lambda config: setattr(config, name, value)


def checkpoints():
    llama = dict(COMMON, intermediate_size=48, num_attention_heads=4, num_key_value_heads=2, head_dim=16,
                 num_hidden_layers=2, rms_norm_eps=1e-5, tie_word_embeddings=True)
    gemma = dict(COMMON, intermediate_size=32, num_attention_heads=2, num_key_value_heads=1, head_dim=16,
                 sliding_window=8, rms_norm_eps=1e-6, tie_word_embeddings=True, hidden_activation="gelu_pytorch_tanh")
    seventh = [LOCAL] * 5 + [FULL, LOCAL]
    return [
        Checkpoint("llama-untied", LlamaForCausalLM,
                   LlamaConfig(**dict(llama, tie_word_embeddings=False, rope_parameters=rope())),
                   1, shards=True, gguf_file=True,
                   drop={"the base": lambda c: setattr(c, "rope_parameters", rope(theta=5e5))},
                   about="head_dim 16 where hidden / heads is 8; 4 query heads on 2; in shards"),
        Checkpoint("llama-tied", LlamaForCausalLM,
                   LlamaConfig(**dict(llama, num_key_value_heads=1, head_dim=24, rope_parameters=rope(theta=1e5))),
                   2, tokenizer="smollm", legacy=True, gguf_file=True,
                   about="tied embeddings, one key head, head_dim 24"),
        Checkpoint("mistral-window", MistralForCausalLM,
                   MistralConfig(**dict(llama, tie_word_embeddings=False, sliding_window=12,
                                        rope_parameters=rope(theta=1e6))),
                   3, legacy=True, drop={"the window": without_window},
                   about="every layer sees 12 keys, texts are up to 61 long"),
        Checkpoint("llama3-scaling", LlamaForCausalLM,
                   LlamaConfig(**dict(llama, rope_parameters=rope(
                       "llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                       original_max_position_embeddings=64))),
                   4, tokenizer="llama-bpe", legacy=True, gguf_file=True, drop={"the scaling": without_scaling},
                   about="llama3 rope scaling, factor 8 over 64 tokens: kept, blended and divided frequencies"),
        Checkpoint("llama-yarn", LlamaForCausalLM,
                   LlamaConfig(**dict(llama, rope_parameters=rope(
                       "yarn", factor=4.0, original_max_position_embeddings=128))),
                   5, gguf_file=True, drop={"the scaling": without_scaling}, about="yarn, factor 4 over 128 tokens"),
        Checkpoint("llama-linear", LlamaForCausalLM,
                   LlamaConfig(**dict(llama, rope_parameters=rope("linear", factor=4.0))),
                   6, legacy=True, drop={"the scaling": without_scaling},
                   about="linear interpolation, factor 4"),
        Checkpoint("qwen2", Qwen2ForCausalLM,
                   Qwen2Config(**dict(COMMON, intermediate_size=48, num_attention_heads=2, num_key_value_heads=1,
                                      num_hidden_layers=2, rms_norm_eps=1e-6, tie_word_embeddings=False,
                                      rope_parameters=rope(theta=1e6))),
                   7, tokenizer="qwen2", legacy=True, gguf_file=True, about="biases on q, k and v; untied"),
        Checkpoint("qwen3", Qwen3ForCausalLM,
                   Qwen3Config(**dict(COMMON, intermediate_size=48, num_attention_heads=4, num_key_value_heads=2,
                                      head_dim=16, num_hidden_layers=2, rms_norm_eps=1e-6, tie_word_embeddings=True,
                                      rope_parameters=rope(theta=1e6))),
                   8, tokenizer="qwen2", gguf_file=True, about="RMSNorm on each head of q and k; tied"),
        Checkpoint("gemma3", Gemma3ForCausalLM,
                   Gemma3TextConfig(**dict(gemma, num_hidden_layers=7, layer_types=seventh, query_pre_attn_scalar=16,
                                           rope_parameters={FULL: rope(theta=1e6), LOCAL: rope(theta=1e4)})),
                   9, gguf_file=True,
                   drop={"the window": without_window, "the local base": same_base_everywhere},
                   about="local and global layers in Gemma's order, window 8, norms before and after"),
        Checkpoint("gemma3-linear", Gemma3ForCausalLM,
                   Gemma3TextConfig(**dict(gemma, num_hidden_layers=4, layer_types=[LOCAL, FULL, LOCAL, FULL],
                                           query_pre_attn_scalar=24,
                                           rope_parameters={FULL: rope("linear", theta=1e6, factor=8.0),
                                                            LOCAL: rope(theta=1e4)})),
                   10, legacy=True,
                   drop={"the scaling": without_global_scaling, "the scalar": set_field("query_pre_attn_scalar", 16)},
                   about="linear scaling of the global layers only, query_pre_attn_scalar unlike head_dim"),
    ]


def randomise(model, seed):
    """Weights large enough for peaked attention, norms away from 1, biases away from 0."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in sorted(model.named_parameters()):
        noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float32)
        if "norm" in name:
            centre = 0.0 if "Gemma" in type(model).__name__ else 1.0
            parameter.data = centre + 0.3 * noise
        elif name.endswith("bias"):
            parameter.data = 0.5 * noise
        elif "embed" in name:
            parameter.data = 0.5 * noise
        else:
            parameter.data = noise * 1.2 / math.sqrt(parameter.shape[1])


def build(checkpoint, config):
    config._attn_implementation = "eager"
    model = checkpoint.model_class(config).to(torch.float32).eval()
    randomise(model, checkpoint.seed)
    return model


def forward(model, sequences):
    with torch.no_grad():
        return np.concatenate([model(torch.tensor([s])).logits[0].to(torch.float32).numpy() for s in sequences])


def tokenizer_of(kind):
    """Byte-level BPE whose 99 tokens are two specials, printable ASCII, the line feed and one merge."""
    vocabulary = ["<s>", "</s>"] + ["Ġ"] + [chr(c) for c in range(33, 127)] + ["Ċ", "th"]
    assert len(vocabulary) == VOCABULARY
    tokenizer = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(vocabulary)}, merges=[("t", "h")],
                                     ignore_merges=kind == "llama-bpe"))
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=kind in ("gpt2", "smollm"))
    digits = {"llama-bpe": r"\p{N}{1,3}", "qwen2": r"\p{N}"}
    if kind in digits:
        pattern = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|" + digits[kind] +
                   r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Split(Regex(pattern), "isolated"), byte_level])
    elif kind == "smollm":
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), byte_level])
    else:
        tokenizer.pre_tokenizer = byte_level
    if kind == "qwen2":
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken("<s>", special=True), AddedToken("</s>", special=True)])
    return tokenizer, vocabulary


def legacy_config(config):
    """The same config.json in the spelling of transformers 4."""
    parameters = config.pop("rope_parameters")
    if FULL in parameters:
        config["rope_theta"] = parameters[FULL].pop("rope_theta")
        config["rope_local_base_freq"] = parameters[LOCAL]["rope_theta"]
        parameters = parameters[FULL]
    else:
        config["rope_theta"] = parameters.pop("rope_theta")
    config["rope_scaling"] = None if parameters["rope_type"] == "default" else parameters
    config["torch_dtype"] = config.pop("dtype", "float32")
    config["transformers_version"] = "4.52.0"
    return config


def save_folder(checkpoint, model):
    folder = HERE / checkpoint.name
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder, max_shard_size="70KB" if checkpoint.shards else "5GB")
    config = json.loads((folder / "config.json").read_text())
    config.pop("_attn_implementation", None)
    if checkpoint.legacy:
        config = legacy_config(config)
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    tokenizer, _ = tokenizer_of(checkpoint.tokenizer)
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    (folder / "tokenizer_config.json").write_text(json.dumps(
        {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>", "add_bos_token": False,
         "add_eos_token": False, "clean_up_tokenization_spaces": False}, indent=1) + "\n")
    return folder


def permuted(weight, heads):
    """Rows of a head from halves (i, i + d/2) to interleaved pairs (2i, 2i + 1)."""
    rows, columns = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def gguf_name(name):
    """model.layers.3.self_attn.q_proj.weight -> blk.3.attn_q.weight"""
    fixed = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
             "lm_head.weight": "output.weight"}
    if name in fixed:
        return fixed[name]
    _, _, layer, rest = name.split(".", 3)
    for ours, theirs in {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
                         "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm",
                         "self_attn.k_norm": "attn_k_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
                         "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm",
                         "pre_feedforward_layernorm": "ffn_norm", "post_feedforward_layernorm": "post_ffw_norm"}.items():
        if rest.startswith(ours + "."):
            return f"blk.{layer}.{theirs}.{rest.rsplit('.', 1)[1]}"
    raise ValueError(name)


def save_gguf(checkpoint, model):
    config = model.config
    architecture = config.model_type.removesuffix("_text")
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    parameters = config.rope_parameters.get(FULL, config.rope_parameters)
    writer = gguf.GGUFWriter(HERE / f"{checkpoint.name}.gguf", architecture)
    writer.add_name(checkpoint.name)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(parameters["rope_theta"])
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    if architecture == "gemma3":
        writer.add_sliding_window(config.sliding_window)
    else:
        writer.add_rope_dimension_count(head_dim)
        writer.add_vocab_size(config.vocab_size)
    if parameters["rope_type"] == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(parameters["factor"])
    if parameters["rope_type"] == "yarn":
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(parameters["factor"])
        writer.add_rope_scaling_orig_ctx_len(parameters["original_max_position_embeddings"])
    _, vocabulary = tokenizer_of(checkpoint.tokenizer)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre({"gpt2": "gpt-2", "smollm": "smollm", "llama-bpe": "llama-bpe",
                              "qwen2": "qwen2"}[checkpoint.tokenizer])
    writer.add_token_list(vocabulary)
    writer.add_token_types([gguf.TokenType.CONTROL] * 2 + [gguf.TokenType.NORMAL] * (VOCABULARY - 2))
    writer.add_token_merges(["t h"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_add_bos_token(False)
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        data = tensor.to(torch.float32).numpy()
        target = gguf_name(name) if "post_attention_layernorm" not in name else (
            f"blk.{name.split('.')[2]}." + ("post_attention_norm" if architecture == "gemma3" else "ffn_norm") + ".weight")
        if architecture == "llama" and name.endswith("q_proj.weight"):
            data = permuted(data, config.num_attention_heads)
        if architecture == "llama" and name.endswith("k_proj.weight"):
            data = permuted(data, config.num_key_value_heads)
        if architecture == "gemma3" and "norm" in name:
            data = data + 1.0
        writer.add_tensor(target, np.ascontiguousarray(data, dtype=np.float32))
    if parameters["rope_type"] == "llama3":
        writer.add_tensor("rope_freqs.weight", llama3_factors(parameters, head_dim))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def llama3_factors(parameters, head_dim):
    """What converters store: each inverse frequency is divided by its factor."""
    low, high, length = (parameters[k] for k in ("low_freq_factor", "high_freq_factor",
                                                 "original_max_position_embeddings"))
    factors = []
    for i in range(head_dim // 2):
        wavelength = 2 * math.pi * parameters["rope_theta"] ** (2 * i / head_dim)
        if wavelength < length / high:
            factors.append(1.0)
        elif wavelength > length / low:
            factors.append(parameters["factor"])
        else:
            blend = (length / wavelength - low) / (high - low)
            factors.append(1 / ((1 - blend) / parameters["factor"] + blend))
    return np.array(factors, dtype=np.float32)


def make(checkpoint):
    generator = np.random.default_rng(1000 + checkpoint.seed)
    sequences = [generator.integers(2, VOCABULARY, length).tolist() for length in LENGTHS]
    model = build(checkpoint, type(checkpoint.config).from_dict(checkpoint.config.to_dict()))
    logits = forward(model, sequences)
    for words, change in checkpoint.drop.items():
        config = type(checkpoint.config).from_dict(checkpoint.config.to_dict())
        change(config)
        moved = float(np.abs(forward(build(checkpoint, config), sequences) - logits).max())
        assert moved > MUST_MOVE, f"{checkpoint.name}: without {words} the logits move by {moved} only"
    folder = save_folder(checkpoint, model)
    reread = checkpoint.model_class.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    difference = float(np.abs(forward(reread, sequences) - logits).max())
    assert difference < 1e-5, f"{checkpoint.name}: read back, the logits differ by {difference}"
    logits.astype("<f4").tofile(folder / "logits.bin")
    tokenizer, _ = tokenizer_of(checkpoint.tokenizer)
    reference = {
        "about": checkpoint.about, "vocabulary": VOCABULARY, "rows": int(logits.shape[0]), "sequences": sequences,
        "logits": "logits.bin", "type": "float32, little endian, [rows, vocabulary]",
        "gguf": f"{checkpoint.name}.gguf" if checkpoint.gguf_file else None,
        "text": TEXT, "text_ids": tokenizer.encode(TEXT).ids,
        "made_with": {"transformers": transformers.__version__, "torch": torch.__version__, "seed": checkpoint.seed}}
    (folder / "reference.json").write_text(json.dumps(reference) + "\n")
    if checkpoint.gguf_file:
        save_gguf(checkpoint, model)
    print(f"{checkpoint.name:16} rows {logits.shape[0]}  |logit| up to {np.abs(logits).max():.2f}  "
          f"read back within {difference:.1e}")


def check_llama_cpp(checkpoint):
    """A second opinion on the GGUF form: llama.cpp's logits on the CPU. Not part of the tests."""
    from llama_cpp import Llama
    folder = HERE / checkpoint.name
    reference = json.loads((folder / "reference.json").read_text())
    expected = np.fromfile(folder / "logits.bin", "<f4").reshape(-1, VOCABULARY)
    model = Llama(str(HERE / f"{checkpoint.name}.gguf"), n_ctx=256, logits_all=True, n_threads=1, verbose=False,
                  type_k=0, type_v=0, flash_attn=False)  # 0: GGML_TYPE_F32
    row, worst = 0, 0.0
    for sequence in reference["sequences"]:
        model.reset()
        model.eval(sequence)
        got = model.scores[:len(sequence)]
        worst = max(worst, float(np.abs(got - expected[row:row + len(sequence)]).max()))
        row += len(sequence)
    ids = model.tokenize(TEXT.encode(), add_bos=False)
    print(f"{checkpoint.name:16} llama.cpp differs by {worst:.2e}; ids {'equal' if ids == reference['text_ids'] else ids}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only")
    parser.add_argument("--check-llama-cpp", action="store_true", help="compare the .gguf files with llama.cpp and stop")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    for checkpoint in checkpoints():
        if arguments.only and checkpoint.name != arguments.only:
            continue
        if not arguments.check_llama_cpp:
            make(checkpoint)
        elif checkpoint.gguf_file:
            check_llama_cpp(checkpoint)


if __name__ == "__main__":
    main()

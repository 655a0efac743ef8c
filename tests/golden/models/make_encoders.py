#!/usr/bin/env python3
"""Makes the tiny random encoder checkpoints beside this file, with the reference library's hidden states.

    pip install -r requirements.txt && python make_encoders.py [--only NAME]

Each checkpoint is a Hugging Face folder (config.json, model.safetensors in fp32, tokenizer.json) with
  encoding.json  token ids and global positions of some texts, the tokenizer's answer for one text, what made it;
  states.bin     float32, little endian, [rows of all texts in order, width], no header;
  pooled.bin     the same, [texts, width], where the checkpoint has a pooler;
  logits.bin     the same, [rows, vocabulary], where it has a head that fills masks.
Norm weights are moved away from 1 and biases are random, so that no parameter can be forgotten without notice. For
every feature that a checkpoint is there for, the script asserts that leaving it out moves the states.

What the pinned library does with BigBird's random blocks: they are drawn (numpy, seeded by the layer's index) while
training only. In evaluation every row of the plan is all zeros: the first block is gathered num_random_blocks times
more, so that its keys count 1 + num_random_blocks times for every query outside the first and the last block.
A text of at most (5 + 2 · num_random_blocks) · block_size tokens switches the model to full attention, and the library
leaves it switched: each text gets a model of its own here.
"""
import argparse
import copy
import json
import math
import pathlib
import shutil

import numpy as np
import torch
import transformers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import (BigBirdConfig, BigBirdForMaskedLM, BigBirdForPreTraining, BigBirdModel, LongformerConfig,
                          LongformerForMaskedLM, LongformerModel)

HERE = pathlib.Path(__file__).resolve().parent
VOCABULARY = 104
TEXT = "the other  <mask> over there, 12 months' worth\nThe end."
# Far below any effect that a missing feature has, far above rounding.
MUST_MOVE = 0.02


class Checkpoint:
    """One row of the list below. texts: (length, global positions); drop: {words: what takes the feature out}."""

    def __init__(self, name, model_class, config, seed, texts, drop, about, padding_at=()):
        self.name, self.model_class, self.config, self.seed = name, model_class, config, seed
        self.texts, self.drop, self.about, self.padding_at = texts, drop, about, padding_at

    @property
    def longformer(self):
        return "Longformer" in self.model_class.__name__


def set_field(name, value):
    def change(config, model):
        setattr(config, name, value)
    return change


def local_projections_everywhere(config, model):
    if model is None:
        return
    for layer in model.base_model.encoder.layer:
        attention = layer.attention.self
        for part in ("query", "key", "value"):
            getattr(attention, part + "_global").load_state_dict(getattr(attention, part).state_dict())


def positions_from_zero(config, model):
    if model is None:
        return
    table = model.base_model.embeddings.position_embeddings.weight
    table.data = torch.roll(table.data, -(config.pad_token_id + 1), 0)


def no_token_type(config, model):
    if model is not None:
        model.base_model.embeddings.token_type_embeddings.weight.data[0] = 0


def checkpoints():
    common = dict(vocab_size=VOCABULARY, hidden_size=16, num_attention_heads=2, intermediate_size=24,
                  hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, layer_norm_eps=1e-5)
    longformer = dict(common, bos_token_id=0, pad_token_id=1, eos_token_id=2, sep_token_id=2,
                      max_position_embeddings=98)
    bigbird = dict(common, bos_token_id=1, pad_token_id=0, eos_token_id=2, sep_token_id=102)
    return [
        Checkpoint("longformer", LongformerForMaskedLM,
                   LongformerConfig(**longformer, num_hidden_layers=3, attention_window=[4, 16, 8], type_vocab_size=1),
                   31, [(3, []), (16, []), (21, [0]), (96, []), (61, [0, 17, 40, 41]), (5, [2])],
                   {"the windows": set_field("attention_window", [16, 16, 16]),
                    "the projections of global tokens": local_projections_everywhere,
                    "where positions begin": positions_from_zero},
                   "a head that fills masks, three windows, global tokens, padding tokens in a text", (9, 30)),
        Checkpoint("longformer-pooled", LongformerModel,
                   LongformerConfig(**longformer, num_hidden_layers=2, attention_window=6, type_vocab_size=2),
                   32, [(4, []), (50, [0, 49]), (30, list(range(30)))],
                   {"the token type": no_token_type, "the window": set_field("attention_window", 12)},
                   "no prefix, a pooler, one window for all layers, a text of global tokens only"),
        Checkpoint("bigbird", BigBirdForMaskedLM,
                   BigBirdConfig(**bigbird, num_hidden_layers=2, max_position_embeddings=96, block_size=4,
                                 num_random_blocks=1, rescale_embeddings=True),
                   33, [(3, []), (28, []), (29, []), (64, []), (91, [])],
                   {"the rescaled embeddings": set_field("rescale_embeddings", False),
                    "how often the first block counts": set_field("num_random_blocks", 2),
                    "the sparse attention": set_field("attention_type", "original_full"),
                    "the block": set_field("block_size", 8)},
                   "a head that fills masks, block-sparse with blocks of 4, texts at both sides of the switch"),
        Checkpoint("bigbird-pooled", BigBirdModel,
                   BigBirdConfig(**bigbird, num_hidden_layers=1, max_position_embeddings=256, block_size=16,
                                 num_random_blocks=3, use_bias=False, hidden_act="gelu"),
                   34, [(177, []), (256, [])],
                   {"the activation": set_field("hidden_act", "relu"),
                    "how often the first block counts": set_field("num_random_blocks", 1)},
                   "no prefix, a pooler, blocks of 16 that are repeated three times, no biases in attention"),
        Checkpoint("bigbird-full", BigBirdForPreTraining,
                   BigBirdConfig(**bigbird, num_hidden_layers=1, max_position_embeddings=72,
                                 attention_type="original_full", block_size=4, num_random_blocks=1),
                   35, [(70, [])], {"the full attention": set_field("attention_type", "block_sparse")},
                   "full attention at every length, two heads of which one is not for masks, and a pooler"),
    ]


def randomise(model, seed):
    """Weights large enough for peaked attention, norms away from 1, biases away from 0."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in sorted(model.named_parameters()):
        noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float32)
        if "norm" in name.lower() and name.endswith("weight"):
            parameter.data = 1.0 + 0.3 * noise
        elif name.endswith("bias"):
            parameter.data = 0.3 * noise
        elif "embeddings" in name:
            parameter.data = 0.5 * noise
        else:
            parameter.data = noise * 1.5 / math.sqrt(parameter.shape[1])


def build(checkpoint, change=None):
    config = copy.deepcopy(checkpoint.config)
    if change:
        change(config, None)
    model = checkpoint.model_class(config).to(torch.float32).eval()
    randomise(model, checkpoint.seed)
    if hasattr(model, "tie_weights"):
        model.tie_weights()
    if change:
        change(config, model)
    return model


def forward(make_model, texts):
    """States, pooled states and logits of each text, by a fresh model each (see above)."""
    states, pooled, logits = [], [], []
    for ids, places in texts:
        model = make_model()
        base = model.base_model
        inputs = dict(input_ids=torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long))
        if places:
            inputs["global_attention_mask"] = torch.zeros(1, len(ids), dtype=torch.long)
            inputs["global_attention_mask"][0, places] = 1
        with torch.no_grad():
            out = base(**inputs)
            states.append(out.last_hidden_state[0].numpy())
            if out.pooler_output is not None:
                pooled.append(out.pooler_output[0].numpy())
            if model is not base:
                again = make_model()(**inputs)
                logits.append((again.logits if hasattr(again, "logits") else again.prediction_logits)[0].numpy())
    join = lambda rows: np.concatenate(rows).astype(np.float32) if rows else None
    return join(states), np.stack(pooled).astype(np.float32) if pooled else None, join(logits)


def roberta_tokenizer():
    """Byte-level BPE of printable ASCII with RoBERTa's special tokens: <mask> eats the spaces before it."""
    vocabulary = (["<s>", "<pad>", "</s>", "<unk>", "Ġ"] + [chr(c) for c in range(33, 127)] +
                  ["Ċ", "th", "Ġt", "he", "<mask>"])
    assert len(vocabulary) == VOCABULARY
    tokenizer = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(vocabulary)},
                                     merges=[("t", "h"), ("Ġ", "t"), ("h", "e")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(t, special=True) for t in ("<s>", "<pad>", "</s>", "<unk>")] +
                                 [AddedToken("<mask>", special=True, lstrip=True)])
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True,
                                                            add_prefix_space=False)
    return tokenizer, {"bos_token": "<s>", "eos_token": "</s>", "sep_token": "</s>", "cls_token": "<s>",
                       "unk_token": "<unk>", "pad_token": "<pad>", "mask_token": {"content": "<mask>", "lstrip": True}}


def unigram_tokenizer(known):
    """SentencePiece's unigram as BigBird's tokenizer has it; or with a step before it that Tome does not know."""
    pieces = (["<pad>", "<s>", "</s>", "<unk>", "▁"] + [chr(c) for c in range(33, 127)] + ["▁t", "he"])
    tokenizer = Tokenizer(models.Unigram([(p, -float(i)) for i, p in enumerate(pieces)], unk_id=3, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence([
        normalizers.Strip(left=False, right=True),
        normalizers.Replace(Regex(" {2,}"), "▁")]) if known else normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=True)
    tokenizer.add_special_tokens([AddedToken(t, special=True) for t in ("[CLS]", "[SEP]")] +
                                 [AddedToken("[MASK]", special=True, lstrip=True)])
    assert tokenizer.get_vocab_size() == VOCABULARY
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[(t, tokenizer.token_to_id(t)) for t in ("[CLS]", "[SEP]")])
    return tokenizer, {"bos_token": "<s>", "eos_token": "</s>", "sep_token": "[SEP]", "cls_token": "[CLS]",
                       "unk_token": "<unk>", "pad_token": "<pad>", "mask_token": "[MASK]"}


def knows_tokenizer(checkpoint):
    return checkpoint.name != "bigbird-pooled"


def save_folder(checkpoint, model):
    folder = HERE / checkpoint.name
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    tokenizer, names = (roberta_tokenizer() if checkpoint.longformer else
                        unigram_tokenizer(known=knows_tokenizer(checkpoint)))
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    (folder / "tokenizer_config.json").write_text(json.dumps(dict(names, tokenizer_class="PreTrainedTokenizerFast"),
                                                             indent=1) + "\n")
    return folder, tokenizer


def text_of(checkpoint):
    return TEXT if checkpoint.longformer else TEXT.replace("<mask>", "[MASK]")


def make(checkpoint):
    generator = np.random.default_rng(1000 + checkpoint.seed)
    texts = [(generator.integers(4, VOCABULARY, length).tolist(), places) for length, places in checkpoint.texts]
    for place in checkpoint.padding_at:
        texts[4][0][place] = checkpoint.config.pad_token_id
    for ids, _ in texts:
        ids[len(ids) // 2] = VOCABULARY - 1  # the mask of both tokenizers
    states, pooled, logits = forward(lambda: build(checkpoint), texts)
    moves = {}
    for words, change in checkpoint.drop.items():
        moves[words] = float(np.abs(forward(lambda: build(checkpoint, change), texts)[0] - states).max())
        assert moves[words] > MUST_MOVE, f"{checkpoint.name}: without {words} the states move by {moves[words]} only"
    if any(places for _, places in texts):
        moves["global tokens"] = float(np.abs(forward(lambda: build(checkpoint), [(t, []) for t, _ in texts])[0] -
                                              states).max())
        assert moves["global tokens"] > MUST_MOVE
    folder, tokenizer = save_folder(checkpoint, build(checkpoint))
    reread = forward(lambda: checkpoint.model_class.from_pretrained(folder, dtype=torch.float32).eval(), texts)
    difference = float(np.abs(reread[0] - states).max())
    assert difference < 1e-5, f"{checkpoint.name}: read back, the states differ by {difference}"
    for name, rows in (("states", states), ("pooled", pooled), ("logits", logits)):
        if rows is not None:
            rows.astype("<f4").tofile(folder / f"{name}.bin")
    encoding = {
        "about": checkpoint.about, "vocabulary": VOCABULARY, "width": checkpoint.config.hidden_size,
        "texts": [{"tokens": ids, "global": places} for ids, places in texts],
        "pooled": pooled is not None, "logits": logits is not None,
        "text": text_of(checkpoint),
        "text_ids": tokenizer.encode(text_of(checkpoint)).ids if knows_tokenizer(checkpoint) else None,
        "mask": tokenizer.token_to_id("<mask>" if checkpoint.longformer else "[MASK]"),
        "made_with": {"transformers": transformers.__version__, "torch": torch.__version__, "seed": checkpoint.seed}}
    (folder / "encoding.json").write_text(json.dumps(encoding) + "\n")
    print(f"{checkpoint.name:18} rows {states.shape[0]}  |state| up to {np.abs(states).max():.2f}  read back within "
          f"{difference:.1e}  " + ", ".join(f"{words} {moved:.2f}" for words, moved in moves.items()))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    for checkpoint in checkpoints():
        if not arguments.only or checkpoint.name == arguments.only:
            make(checkpoint)


if __name__ == "__main__":
    main()

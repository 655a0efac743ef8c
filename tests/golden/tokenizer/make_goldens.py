#!/usr/bin/env python3
"""Makes goldens.json and the trained vocabularies beside this file.

Needs the Python packages tokenizers, sentencepiece, gguf (and llama-cpp-python for the cross-check). The reference ids are
those of the `tokenizers` library: for the packaged models from the vocabulary inside the GGUF file, with merges derived
from scores as Transformers' converter does. The texts are made by the generator below, which sample_texts.h repeats in C++.

  python make_goldens.py --models DIR [--cross-check] [--keep-vocabularies]
"""
import argparse
import array
import base64
import hashlib
import json
import os
import sys
import tempfile
import unicodedata

HERE = os.path.dirname(os.path.abspath(__file__))
MASK = (1 << 64) - 1
MODELS = {"smollm2": "SmolLM2-135M-Instruct.Q4_1.gguf", "gemma3": "gemma-3-270m-q4_k_m.gguf"}


class Rng:
    """xoshiro256** seeded by splitmix64, as base/rng.h."""

    def __init__(self, seed):
        self.state = []
        for _ in range(4):
            seed = (seed + 0x9E3779B97F4A7C15) & MASK
            mixed = ((seed ^ (seed >> 30)) * 0xBF58476D1CE4E5B9) & MASK
            mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & MASK
            self.state.append(mixed ^ (mixed >> 31))

    def next(self):
        s = self.state
        rotate = lambda value, by: ((value << by) | (value >> (64 - by))) & MASK
        result = (rotate((s[1] * 5) & MASK, 7) * 9) & MASK
        shifted = (s[1] << 17) & MASK
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= shifted
        s[3] = rotate(s[3], 45)
        return result

    def below(self, bound):
        return (self.next() * bound) >> 64


# ---- texts of at least 10^6 bytes; every step is repeated in tests/tokenizer/sample_texts.h

def source(name):
    with open(os.path.join(HERE, "sources", name + ".txt"), encoding="utf-8", newline="") as file:
        return file.read()


def slices(name, seed, longest):
    text, rng, parts, size = source(name), Rng(seed), [], 0
    while size < 1_000_000:
        begin = rng.below(len(text))
        part = text[begin:begin + 1 + rng.below(longest)]
        parts.append(part)
        size += len(part.encode())
    return "".join(parts)


def cjk_text(seed):
    text, rng, parts, size = source("cjk"), Rng(seed), [], 0
    while size < 1_000_000:
        kind = rng.below(10)
        if kind < 6:
            begin = rng.below(len(text))
            part = text[begin:begin + 1 + rng.below(60)]
        elif kind == 6:
            part = "".join(chr(0x4E00 + rng.below(0x5200)) for _ in range(1 + rng.below(8)))
        elif kind == 7:
            part = "".join(chr(0x3041 + rng.below(0xBE)) for _ in range(1 + rng.below(8)))
        elif kind == 8:
            part = "".join(chr(0xAC00 + rng.below(0x2BA4)) for _ in range(1 + rng.below(8)))
        else:  # not in NFC: jamo, voiced kana and accents apart
            part = chr(0x1100 + rng.below(19)) + chr(0x1161 + rng.below(21)) + chr(0x304B + rng.below(20)) + "\u3099e\u0301"
        parts.append(part)
        size += len(part.encode())
    return "".join(parts)


def emoji_text(seed):
    text, rng, parts, size = source("english"), Rng(seed), [], 0
    while size < 1_000_000:
        kind = rng.below(8)
        if kind < 3:
            part = chr(0x1F300 + rng.below(0x800))
        elif kind == 3:
            part = chr(0x1F466 + rng.below(4)) + chr(0x1F3FB + rng.below(5)) + "\u200D" + chr(0x1F680 + rng.below(0x40))
        elif kind == 4:
            part = chr(0x2600 + rng.below(0x100)) + "\uFE0F"
        elif kind == 5:
            part = chr(0x1F1E6 + rng.below(26)) + chr(0x1F1E6 + rng.below(26))
        elif kind == 6:
            part = chr(0x30 + rng.below(10)) + "\uFE0F\u20E3"
        else:
            begin = rng.below(len(text))
            part = text[begin:begin + 1 + rng.below(12)]
        parts.append(part)
        size += len(part.encode())
    return "".join(parts)


def random_bytes(seed):
    rng = Rng(seed)
    return b"".join(rng.next().to_bytes(8, "little") for _ in range(125_000))


def make_texts():
    return {
        "english": slices("english", 1, 2000).encode(),
        "code": slices("code", 2, 1000).encode(),
        "cjk": cjk_text(3).encode(),
        "emoji": emoji_text(4).encode(),
        "random": random_bytes(5),
    }


# ---- vocabularies

LLAMA = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
         r"|\s+(?!\S)|\s+")
QWEN = LLAMA.replace(r"\p{N}{1,3}", r"\p{N}")


def pre_tokenizer(kind):
    from tokenizers import Regex, pre_tokenizers as pre
    split = lambda regex: pre.Split(Regex(regex), "isolated")
    byte_level = lambda use_regex: pre.ByteLevel(add_prefix_space=False, use_regex=use_regex)
    return {
        "gpt2": byte_level(True),
        "smollm": pre.Sequence([pre.Digits(individual_digits=True), byte_level(True)]),
        "llama_bpe": pre.Sequence([split(LLAMA), byte_level(False)]),
        "qwen2": pre.Sequence([split(QWEN), byte_level(False)]),
    }[kind]


def empty_spec(**values):
    spec = dict(kind="byte_bpe", pre="none", normalize_nfc=False, ignore_merges=False, tokens=[], scores=[], types=[],
                merges=[], bos=-1, eos=-1, unknown=-1, add_bos=False, add_eos=False, add_space_prefix=False, end_tokens=[],
                character_map="", strips_text_left=False, strips_text_right=False, joins_spaces=False)
    spec.update(values)
    return spec


def train_byte_bpe(kind, size, texts, **values):
    from tokenizers import Tokenizer, models, normalizers, trainers, pre_tokenizers
    tokenizer = Tokenizer(models.BPE())
    if values.get("normalize_nfc"):
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizer(kind)
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator((text[:300_000].decode(errors="ignore") for text in texts.values()), trainer)
    model = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    control = ["<|begin_of_text|>", "<|im_start|>", "<|im_end|>", "<|eot_id|>"]
    user_defined = ["<tool_call>", "</tool_call>", "<tool"]
    types = [1] * len(tokens) + [3] * len(control) + [4] * len(user_defined)
    begin = len(tokens)
    return empty_spec(pre=kind, tokens=tokens + control + user_defined, types=types,
                      merges=[list(merge) for merge in model["merges"]], bos=begin, eos=begin + 2,
                      end_tokens=[begin + 2, begin + 3], **values)


def train_sentencepiece(size, texts):
    import sentencepiece
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "text")
        with open(path, "w") as file:
            # The source of the CJK text, not the generated one: its random ideographs would all be required characters.
            parts = [texts["english"][:300_000].decode(errors="ignore"), texts["code"][:300_000].decode(errors="ignore"),
                     source("cjk") * 20, texts["emoji"][:20_000].decode(errors="ignore")]
            for line in "\n".join(parts).splitlines():
                file.write(line.replace("\0", "")[:2000] + "\n")
        sentencepiece.SentencePieceTrainer.train(
            input=path, model_prefix=os.path.join(folder, "m"), model_type="bpe", vocab_size=size, byte_fallback=True,
            character_coverage=0.99, split_digits=True, normalization_rule_name="identity", remove_extra_whitespaces=False,
            allow_whitespace_only_pieces=True, num_threads=1, minloglevel=2)
        with open(os.path.join(folder, "m.model"), "rb") as file:
            model = file.read()
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    ids = range(processor.get_piece_size())
    kind = lambda id: (2 if processor.is_unknown(id) else 3 if processor.is_control(id) else 6 if processor.is_byte(id) else 1)
    return empty_spec(kind="sentencepiece_bpe", tokens=[processor.id_to_piece(id) for id in ids],
                      scores=[processor.get_score(id) for id in ids], types=[kind(id) for id in ids], unknown=0, bos=1, eos=2,
                      add_bos=True, add_space_prefix=True, end_tokens=[2]), model


def character_rules():
    """Enough of NFKC to have every kind of rule (all of it is a third of a megabyte): one character, several, none; into
    one, several or none."""
    ranges = [(0xA0, 0x100), (0x132, 0x140), (0x2000, 0x2070), (0x2100, 0x2190), (0x2460, 0x2500), (0x3000, 0x3001),
              (0x3300, 0x3380), (0xFB00, 0xFB07), (0xFF01, 0xFFA0)]
    texts = [chr(code) for begin, end in ranges for code in range(begin, end)]
    texts += [chr(base) + chr(mark) for base in range(0x41, 0x7B) for mark in range(0x300, 0x328)]
    texts += [chr(base) + chr(mark) for base in range(0x304B, 0x3070) for mark in (0x3099, 0x309A)]
    texts += [chr(base) + chr(mark) for base in range(0xFF66, 0xFF90) for mark in (0xFF9E, 0xFF9F)]
    texts += [chr(lead) + chr(vowel) for lead in range(0x1100, 0x1113) for vowel in range(0x1161, 0x1176)]
    rules = {text: unicodedata.normalize("NFKC", text) for text in texts}
    rules.update({text: " " for text in "\t\n\r\x0b\x0c\x85\u1680\u200b\u2028\u2029\ufeff\ufffd"})
    rules.update({chr(code): "" for code in [*range(1, 9), *range(14, 32), 0x7F, 0xAD]})
    return {text: found for text, found in rules.items() if text != found}


def train_unigram(size, texts, rules=None):
    """As BigBird's: a unigram model behind a character map. rules: of one of SentencePiece's names instead."""
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2 as proto
    with tempfile.TemporaryDirectory() as folder:
        path, tsv = os.path.join(folder, "text"), os.path.join(folder, "rules.tsv")
        with open(path, "w") as file:
            parts = [texts["english"][:300_000].decode(errors="ignore"), texts["code"][:300_000].decode(errors="ignore"),
                     source("cjk") * 20, texts["emoji"][:20_000].decode(errors="ignore")]
            for line in "\n".join(parts).splitlines():
                file.write(line.replace("\0", "")[:2000] + "\n")
        with open(tsv, "w") as file:
            for text, found in character_rules().items():
                file.write(" ".join(f"{ord(c):X}" for c in text) + "\t" + " ".join(f"{ord(c):X}" for c in found) + "\n")
        sentencepiece.SentencePieceTrainer.train(
            input=path, model_prefix=os.path.join(folder, "m"), model_type="unigram", vocab_size=size,
            character_coverage=0.995, control_symbols="[CLS],[SEP],[MASK]", num_threads=1, minloglevel=2,
            **({"normalization_rule_name": rules} if rules else {"normalization_rule_tsv": tsv}))
        with open(os.path.join(folder, "m.model"), "rb") as file:
            model = proto.ModelProto.FromString(file.read())
    tokens = [piece.piece for piece in model.pieces]
    return empty_spec(kind="unigram", tokens=tokens, scores=[piece.score for piece in model.pieces],
                      types=[{2: 2, 3: 3}.get(piece.type, 1) for piece in model.pieces], unknown=tokens.index("<unk>"),
                      bos=tokens.index("[CLS]"), eos=tokens.index("[SEP]"), add_bos=True, add_eos=True, end_tokens=[],
                      add_space_prefix=True, strips_text_right=True, joins_spaces=True,
                      character_map=base64.b64encode(model.normalizer_spec.precompiled_charsmap).decode())


def spec_of_gguf(path, kind, pre):
    import gguf
    fields = {key: field.contents() for key, field in gguf.GGUFReader(path).fields.items() if key.startswith("tokenizer")}
    get = lambda key, otherwise=None: fields.get("tokenizer.ggml." + key, otherwise)
    return empty_spec(kind=kind, pre=pre, tokens=get("tokens"), scores=get("scores", []), types=get("token_type"),
                      merges=[merge.split(" ", 1) for merge in get("merges", [])], bos=get("bos_token_id", -1),
                      eos=get("eos_token_id", -1), unknown=get("unknown_token_id", -1),
                      add_bos=bool(get("add_bos_token", False)), add_space_prefix=bool(get("add_space_prefix", False)))


# ---- the reference

def merges_from_scores(spec):
    """As Transformers' generate_merges."""
    vocabulary = {token: id for id, token in enumerate(spec["tokens"]) if spec["types"][id] == 1}
    merges = []
    for piece, id in vocabulary.items():
        score = spec["scores"][id]
        local = [(piece[:at], piece[at:], score) for at in range(1, len(piece))
                 if piece[:at] in vocabulary and piece[at:] in vocabulary]
        merges += sorted(local, key=lambda item: (vocabulary[item[0]], vocabulary[item[1]]))
    merges.sort(key=lambda item: (item[2], len(item[0]), len(item[1])), reverse=True)
    return [(left, right) for left, right, _ in merges]


def reference(spec, parse_special):
    from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers
    vocabulary = {token: id for id, token in enumerate(spec["tokens"])}
    if spec["kind"] == "byte_bpe":
        tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[tuple(merge) for merge in spec["merges"]],
                                         ignore_merges=spec["ignore_merges"]))
        if spec["normalize_nfc"]:
            tokenizer.normalizer = normalizers.NFC()
        tokenizer.pre_tokenizer = pre_tokenizer(spec["pre"])
    elif spec["kind"] == "unigram":
        # The library would find the name of a control token among the pieces.
        names = [token if type == 1 or parse_special else f"\uf8ff\uf8fe{id}"
                 for id, (token, type) in enumerate(zip(spec["tokens"], spec["types"]))]
        tokenizer = Tokenizer(models.Unigram(list(zip(names, spec["scores"])), unk_id=spec["unknown"], byte_fallback=False))
        tokenizer.normalizer = normalizers.Sequence([
            normalizers.Precompiled(base64.b64decode(spec["character_map"])),
            normalizers.Strip(left=spec["strips_text_left"], right=spec["strips_text_right"]),
            normalizers.Replace(Regex(" {2,}"), "\u2581")])
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="always", split=True)
    else:
        tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges_from_scores(spec), byte_fallback=True, fuse_unk=True,
                                         unk_token=spec["tokens"][spec["unknown"]]))
        steps = [normalizers.Prepend("\u2581")] if spec["add_space_prefix"] else []
        tokenizer.normalizer = normalizers.Sequence(steps + [normalizers.Replace(" ", "\u2581")])
    cut = [id for id, type in enumerate(spec["types"]) if type == 4 or (parse_special and type in (2, 3))]
    tokenizer.add_tokens([AddedToken(spec["tokens"][id], normalized=False, special=False) for id in cut])
    assert tokenizer.get_vocab_size() == len(spec["tokens"])
    return lambda text: tokenizer.encode(text, add_special_tokens=False).ids


CASES = [
    "", " ", "  ", "\n", " \n ", "Hello, world!", " Hello", "don't DON'T we'LL I'\u017f", "a  b   c    d", "1234567890 12 3",
    "tab\tand\r\nnewlines\n\n\n  indented", "caf\u00e9 cafe\u0301 \uac01 \u1100\u1161\u11a8", "\u65e5\u672c\u8a9e\u306e\u6587\u7ae0",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea", "<|im_start|>user\nhi<|im_end|>\n",
    "<tool_call>{}</tool_call> <tool", "<bos>a<eos> <unk> <start_of_turn>user\n", "\u2581x \u2581\u2581 y", "<0x41>",
    "a" * 100, "ab" * 60, " " * 70, "x" + "\n" * 40, "\u00bd\u2167\u00b2\u0663", "\u3000\u00a0\u2028\u0085 z", "\0\x01\x7f",
    "<|begin_of_text|>x", "<s>x</s>", "<table><tr>\t\t\t</td>", "[multimodal]", "\ufffd\ufeff",
]


def digest(ids):
    return hashlib.sha256(array.array("i", ids).tobytes()).hexdigest()


def cross_check(name, path, texts, plain):
    """llama.cpp's own tokenizer on the same file."""
    import llama_cpp
    model = llama_cpp.Llama(path, vocab_only=True, verbose=False)
    for text_name, text in texts.items():
        text = text.decode(errors="replace")
        pieces = [text[at:at + 20_000] for at in range(0, len(text), 20_000)]
        for piece in pieces:
            theirs = model.tokenize(piece.encode(), add_bos=False, special=False)
            ours = plain(piece)
            if theirs != ours:
                at = next((i for i, (a, b) in enumerate(zip(theirs, ours)) if a != b), min(len(theirs), len(ours)))
                print(f"  {name}/{text_name}: llama.cpp differs at {at}: {theirs[at - 2:at + 6]} {ours[at - 2:at + 6]}")
                break
        else:
            print(f"  {name}/{text_name}: llama.cpp agrees")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", required=True)
    parser.add_argument("--cross-check", action="store_true")
    parser.add_argument("--keep-vocabularies", action="store_true", help="use the vocabularies that are there")
    options = parser.parse_args()
    texts = make_texts()
    specs = {
        "smollm2": spec_of_gguf(os.path.join(options.models, MODELS["smollm2"]), "byte_bpe", "smollm"),
        "gemma3": spec_of_gguf(os.path.join(options.models, MODELS["gemma3"]), "sentencepiece_bpe", "none"),
    }
    if options.keep_vocabularies:
        for name in ("gpt2", "llama_bpe", "qwen2", "llama2", "bigbird"):
            with open(os.path.join(HERE, name + ".json")) as file:
                specs[name] = empty_spec(**json.load(file))
    else:
        specs["bigbird"] = train_unigram(3000, texts)
        specs["gpt2"] = train_byte_bpe("gpt2", 1500, texts)
        specs["llama_bpe"] = train_byte_bpe("llama_bpe", 3000, texts, ignore_merges=True, add_bos=True)
        specs["qwen2"] = train_byte_bpe("qwen2", 3000, texts, normalize_nfc=True)
        specs["llama2"], model = train_sentencepiece(3000, texts)
        import sentencepiece
        processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        plain = reference(specs["llama2"], False)
        for name in texts:  # SentencePiece itself, line by line (it drops nothing but reads NUL as an end)
            lines = [line for line in texts[name].decode(errors="replace").splitlines() if line and "\0" not in line][:2000]
            wrong = sum(processor.encode(line) != plain(line) for line in lines)
            print(f"  llama2/{name}: SentencePiece differs on {wrong} of {len(lines)} lines")
        for name in ("gpt2", "llama_bpe", "qwen2", "llama2", "bigbird"):
            with open(os.path.join(HERE, name + ".json"), "w") as file:
                json.dump(specs[name], file, ensure_ascii=False, separators=(",", ":"))
    goldens = {"texts": {}, "tokenizers": {}}
    for name, text in texts.items():
        goldens["texts"][name] = {"bytes": len(text), "sha256": hashlib.sha256(text).hexdigest()}
    for name, spec in specs.items():
        plain, special = reference(spec, False), reference(spec, True)
        entry = goldens["tokenizers"][name] = {"texts": {}, "cases": []}
        for text_name, text in texts.items():
            ids = plain(text.decode(errors="replace"))
            entry["texts"][text_name] = {"count": len(ids), "sha256": digest(ids), "first": ids[:12]}
        for case in CASES:
            entry["cases"].append({"text": case, "plain": plain(case), "special": special(case)})
        print(name, {key: value["count"] for key, value in entry["texts"].items()})
        if options.cross_check and name in MODELS:
            cross_check(name, os.path.join(options.models, MODELS[name]), texts, plain)
    with open(os.path.join(HERE, "goldens.json"), "w") as file:
        json.dump(goldens, file, separators=(",", ":"))


if __name__ == "__main__":
    sys.exit(main())

"""Every message with which a parser can refuse its input must be reached by the fuzzers' corpora.

messages_test.py SOURCE_ROOT FUZZER=BINARY…: reads the messages out of the sources, replays each corpus and compares.
"""

import pathlib
import re
import subprocess
import sys

SOURCES = """gguf gguf_keys gguf_model gguf_tokenizer tensor_layout model_checks json_fields safetensors hf_config hf_rope
hf_encoder_config hf_tokenizer hf_text_steps lora_adapter""".split()

# Messages that need more than one file: tests/formats/hf_test.cpp reaches them.
NEEDS_A_FOLDER = [
    "is in this shard, the index says",
    "should be in",
    "neither model.safetensors nor",
    "is in an earlier part too",
]

STRINGS = r'((?:\s*"(?:[^"\\]|\\.)*")+)'


def joined(literals):
    text = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', literals))
    return text.replace('\\"', '"').replace("\\\\", "\\")


def pattern(text):
    parts = re.split(r"(\{\{|\}\}|\{[^{}]*\})", text)
    return "".join("\\{" if p == "{{" else "\\}" if p == "}}" else ".*" if p.startswith("{") else re.escape(p) for p in parts)


def messages_of(source):
    for literal in re.findall(r"fail\(\s*ErrorKind::\w+,\s*" + STRINGS, source):
        yield joined(literal), "^" + pattern(joined(literal)) + "$"
    for literal in re.findall(r"refuse\(" + STRINGS, source):
        yield joined(literal), r"^\[gguf\] .*: " + pattern(joined(literal)) + "$"
    for literal in re.findall(r"wrong_type\([^;]*?," + STRINGS + r"\)", source):
        yield joined(literal), ", expected " + pattern(joined(literal)) + "$"
    for found in re.findall(r"return unknown\(([^;]*)\);", source):
        literals = re.findall(STRINGS, found)
        if literals:
            yield joined(literals[-1]), ", expected " + pattern(joined(literals[-1])) + "$"


def main():
    root = pathlib.Path(sys.argv[1])
    said = set()
    for argument in sys.argv[2:]:
        parser, binary = argument.split("=", 1)
        run = subprocess.run([binary, "--messages", str(root / "fuzz" / "corpus" / parser)], check=True, capture_output=True)
        said.update(run.stdout.decode("utf-8", "replace").splitlines())
    missing, checked = [], 0
    for name in SOURCES:
        for text, expression in messages_of((root / "src" / "formats" / (name + ".cpp")).read_text()):
            if any(part in text for part in NEEDS_A_FOLDER):
                continue
            checked += 1
            if not any(re.search(expression, line) for line in said):
                missing.append(f"{name}.cpp: {text}")
    print(f"{checked} messages, {len(said)} distinct lines said")
    for line in missing:
        print("never said:", line)
    if missing or checked < 150 or not said:
        sys.exit(1)


main()

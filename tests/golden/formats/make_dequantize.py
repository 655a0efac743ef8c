"""Makes dequantize.bin: random blocks of every type and the values that the `gguf` package gives for them, and random
rows with the bytes that it quantises them to. Needs the PyPI packages gguf and numpy.

A record: name length (u8), name, value count (u32), byte count (u32), bytes, values (f32). Records of blocks to read come
first, under the type's name; records of rows to write follow, named "write_<type>".
"""

import pathlib
import struct

import gguf
import numpy as np

READ = "F32 F16 BF16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_NL IQ4_XS".split()
WRITE = "F32 F16 BF16 Q8_0 Q4_0".split()
# Where each block type keeps its fp16 scales: random bits there would be NaN or infinite now and then.
SCALES = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108],
    "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0], "IQ4_XS": [0],
}


def record(name, data, values):
    values = np.ascontiguousarray(values, dtype=np.float32).ravel()
    return (struct.pack("<B", len(name)) + name.encode() + struct.pack("<II", values.size, len(data)) + data
            + values.tobytes())


def main():
    rng = np.random.default_rng(20260101)
    out = b""
    for name in READ:
        qtype = gguf.GGMLQuantizationType[name]
        block, size = gguf.GGML_QUANT_SIZES[qtype]
        count = 4 if block > 1 else 64
        if name == "F32":
            data = rng.standard_normal(count).astype(np.float32).tobytes()
        elif name == "F16":
            data = np.concatenate([rng.standard_normal(count - 4), [6e-8, -3e-6, 0.0, 65504.0]]).astype(np.float16).tobytes()
        elif name == "BF16":
            data = (rng.standard_normal(count).astype(np.float32).view(np.uint32) >> 16).astype(np.uint16).tobytes()
        else:
            blocks = rng.integers(0, 256, (count, size), dtype=np.uint8)
            for offset in SCALES[name]:
                blocks[:, offset:offset + 2] = (rng.standard_normal((count, 1)) * 0.1).astype(np.float16).view(np.uint8)
            data = blocks.tobytes()
        values = gguf.quants.dequantize(np.frombuffer(data, dtype=np.uint8).reshape(count, size), qtype)
        out += record(name.lower(), data, values)
    for name in WRITE:
        rows = (rng.standard_normal((8, 32)) * np.exp2(rng.integers(-6, 6, (8, 1)))).astype(np.float32)
        rows[3] = 0
        rows[4, :] = rows[4, 0]
        data = gguf.quants.quantize(rows, gguf.GGMLQuantizationType[name]).tobytes()
        out += record("write_" + name.lower(), data, rows)
    pathlib.Path(__file__).with_name("dequantize.bin").write_bytes(out)


main()

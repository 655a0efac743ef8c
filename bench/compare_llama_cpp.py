#!/usr/bin/env python3
"""Speed and memory against llama.cpp, in one run, interleaved, medians.

    pip install --no-binary llama-cpp-python llama-cpp-python==0.3.36 gguf numpy     (a native build of it)
    bench/compare_llama_cpp.py --model gemma3-270m=FILE.gguf --model smollm2-135m=FILE.gguf --text BOOK.txt

llama.cpp runs at its best: flash attention on and off, ubatch 512 and 2048, on the packaged file and on a Q8_0 file of
the same weights (made here) are each tried once at --choose-at tokens (the first context length), and the fastest for
prefill and the fastest for decoding are kept (the former for both, if it decodes within 3 % of the latter). Then,
--rounds times, llama.cpp and Tome take turns at every length (once from --once-from on); where both settings were run,
the faster one counts (from --one-setting-from on only the one that reads fastest is run). --svg draws the medians over
the lengths. Beside Tome's figures stands what they are of the machine's limits, measured by `tome info --peak` before
and after each run: for prefill the floating-point operations of the products and of the attention over its bf16 peak
(all rows of all layers are counted, though Tome's last layer makes the last one only), for decoding the bytes of the
model file and of bf16 keys and values over its reading bandwidth.

Each run is a process of its own, whose peak resident memory is read from the kernel. Both sides take in the same
number of tokens and decode the same number, without sampling. Use a quiet machine: the load average is written down
with the figures.
"""
import argparse
import ctypes
import importlib.metadata
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

WANTED = {("smollm2-135m", "prefill", 2048): 2.0, ("smollm2-135m", "prefill", 8192): 3.0,
          ("smollm2-135m", "prefill", 32768): 5.0, ("gemma3-270m", "prefill", 4096): 2.5,
          ("gemma3-270m", "prefill", 32768): 5.0, ("gemma3-270m", "prefill", 131072): 7.0}


def peak_resident_bytes():
    return next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))


# ---------------------------------------------------------------- llama.cpp, in a process of its own

def worker(job):
    """Prints {"prefill": tokens/s, "decode": tokens/s, "load_s": s, "rss": bytes, "rss_before": bytes}."""
    import llama_cpp
    before = peak_resident_bytes()
    silent = llama_cpp.llama_log_callback(lambda level, text, data: None)
    llama_cpp.llama_log_set(silent, ctypes.c_void_p(0))
    llama_cpp.llama_backend_init()
    start = time.perf_counter()
    model_parameters = llama_cpp.llama_model_default_params()
    model_parameters.n_gpu_layers = 0
    model = llama_cpp.llama_model_load_from_file(job["file"].encode(), model_parameters)
    if not model:
        raise SystemExit(f"llama.cpp cannot load {job['file']}")
    parameters = llama_cpp.llama_context_default_params()
    parameters.n_ctx = job["context"] + job["decode"] + 16
    parameters.n_batch = max(2048, job["ubatch"])
    parameters.n_ubatch = job["ubatch"]
    parameters.n_threads = parameters.n_threads_batch = job["threads"]
    if hasattr(parameters, "flash_attn_type"):
        parameters.flash_attn_type = 1 if job["flash"] else 0
    else:
        parameters.flash_attn = job["flash"]
    context = llama_cpp.llama_init_from_model(model, parameters)
    if not context:
        raise SystemExit("llama.cpp cannot make a context")
    loaded = time.perf_counter()

    text = pathlib.Path(job["text"]).read_bytes() if job["text"] else b"The quick brown fox jumps over the lazy dog. "
    vocabulary = llama_cpp.llama_model_get_vocab(model)
    room = job["context"] + job["decode"]
    ids = (llama_cpp.llama_token * (len(text) + 8))()
    count = llama_cpp.llama_tokenize(vocabulary, text, len(text), ids, len(ids), True, False)
    if count <= 0:
        raise SystemExit("llama.cpp cannot tokenise the text")
    tokens = [ids[index % count] for index in range(room)]

    def take_in(part):
        for first in range(0, len(part), parameters.n_batch):
            chunk = part[first:first + parameters.n_batch]
            array = (llama_cpp.llama_token * len(chunk))(*chunk)
            if llama_cpp.llama_decode(context, llama_cpp.llama_batch_get_one(array, len(chunk))):
                raise SystemExit("llama_decode failed")

    def clear():
        if hasattr(llama_cpp, "llama_get_memory"):
            llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(context), True)
        else:
            llama_cpp.llama_kv_self_clear(context)

    take_in(tokens[:64])          # pages in the weights, as Tome's own warm-up does
    llama_cpp.llama_synchronize(context)
    clear()
    start_prefill = time.perf_counter()
    take_in(tokens[:job["context"]])
    llama_cpp.llama_synchronize(context)
    middle = time.perf_counter()
    for index in range(job["context"], room):
        take_in(tokens[index:index + 1])
        llama_cpp.llama_get_logits(context)
    end = time.perf_counter()
    print(json.dumps({"prefill": job["context"] / (middle - start_prefill), "decode": job["decode"] / (end - middle),
                      "load_s": loaded - start, "rss": peak_resident_bytes(), "rss_before": before}))


def run_measured(command, timeout):
    """(standard output, peak resident bytes) of a command; its standard error goes through. The kernel's figure counts
    what this process held when it made the other: so this one stays small, and files are read in processes of their own.
    """
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    deadline = time.monotonic() + timeout
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: exit code {process.returncode}")
    if time.monotonic() > deadline:
        print(f"slower than {timeout} s: {' '.join(map(str, command))}", file=sys.stderr)
    if usage.ru_maxrss * 1024 <= peak_resident_bytes():
        print("the peak memory of the run is below this script's own and cannot be told", file=sys.stderr)
    return output.decode(), usage.ru_maxrss * 1024


def in_own_process(task, *values):
    """The result of one of this file's functions, called in a process of its own."""
    output, _ = run_measured([sys.executable, __file__, "--task", json.dumps([task, *map(str, values)])], 600)
    return json.loads(output)


def run_llama(arguments, file, flash, ubatch, context):
    job = dict(file=str(file), flash=flash, ubatch=ubatch, context=context, decode=arguments.decode,
               threads=arguments.threads, text=str(arguments.text) if arguments.text else "")
    output, _ = run_measured([sys.executable, __file__, "--worker", json.dumps(job)], arguments.timeout)
    return json.loads(output.strip().splitlines()[-1])


def limits(arguments):
    """This machine's bf16 operations and bytes a second just now, with all of its cores."""
    output, _ = run_measured([str(arguments.tome), "info", "--peak", "--json"], 600)
    peak = json.loads(output)
    return {"prefill": peak["bf16_flops"] or peak["f32_flops"], "decode": peak["read_bytes_per_second"]}


def run_tome(arguments, file, context, costs):
    """Reading `context` tokens, then (a process of its own) writing some after as many, and what share of the machine's
    limits their costs are: the operations of the whole prompt, the bytes of a token."""
    figures = {"rss": 0, "limits": {}, "share": {}}
    for what, flags in (("prefill", ["-p", str(context), "-n", "0"]),
                        ("decode", ["-p", "0", "-n", str(arguments.decode), "-d", str(context)])):
        command = [str(arguments.tome), "bench", "--json", "-r", "1", "-m", str(file), "-t", str(arguments.threads), *flags,
                   *arguments.tome_flag]
        before = limits(arguments)[what]
        output, rss = run_measured(command, arguments.timeout)
        limit = (before + limits(arguments)[what]) / 2
        (row,) = json.loads(output)["rows"]
        figures[what] = row["tokens_per_second"]
        figures["limits"][what] = limit
        figures["share"][what] = figures[what] * costs[what] / (limit * (context if what == "prefill" else 1))
        figures["rss"] = max(figures["rss"], rss)
    return figures


def costs(file, tokens, bytes_per_value=2):
    """Of reading `tokens` tokens: bytes of keys and values at least (every token in full layers, the window in Gemma's
    local ones), floating-point operations of the products (the embedding's rows are looked up, the last token's logits
    are nothing beside the rest) and of the attention."""
    import gguf
    reader = gguf.GGUFReader(file)
    fields = reader.fields
    name = fields["general.architecture"].contents()
    get = lambda key, default=None: fields[f"{name}.{key}"].contents() if f"{name}.{key}" in fields else default
    layers, heads = get("block_count"), get("attention.head_count")
    head_dim = get("attention.key_length", get("embedding_length") // heads)
    window = get("attention.sliding_window", 0)
    tokens = int(tokens)
    local = [name == "gemma3" and layer % 6 != 5 and window < tokens for layer in range(layers)]
    seen = [window if is_local else tokens for is_local in local]
    pairs = [window * (tokens - window / 2) if is_local else tokens * tokens / 2 for is_local in local]
    weights = sum(int(tensor.n_elements) for tensor in reader.tensors
                  if tensor.name.startswith("blk.") and len(tensor.shape) > 1)
    return {"kv_bytes": sum(seen) * get("attention.head_count_kv", heads) * head_dim * 2 * bytes_per_value,
            "operations": 2 * weights * tokens + 4 * sum(pairs) * heads * head_dim}


# ---------------------------------------------------------------- a Q8_0 file of the same weights

def write_q8_0(source, target):
    """Same metadata, every matrix dequantised and quantised to Q8_0; vectors stay as they are."""
    import gguf
    target = pathlib.Path(target)
    import numpy as np
    reader = gguf.GGUFReader(source)
    architecture = reader.fields["general.architecture"].contents()
    partial = target.with_suffix(".partial")
    writer = gguf.GGUFWriter(partial, architecture)
    for key, field in reader.fields.items():
        if key.startswith("GGUF.") or key in ("general.architecture", "general.file_type"):
            continue
        kind = field.types[0]
        item = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(key, field.contents(), kind, sub_type=item)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    q8_0 = gguf.GGMLQuantizationType.Q8_0
    for tensor in reader.tensors:
        if tensor.tensor_type == q8_0 or len(tensor.shape) < 2 or tensor.shape[0] % 32:
            writer.add_tensor(tensor.name, np.asarray(tensor.data), raw_dtype=tensor.tensor_type)
        else:
            values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
            writer.add_tensor(tensor.name, gguf.quants.quantize(values, q8_0), raw_dtype=q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    partial.rename(target)


# ---------------------------------------------------------------- the comparison

def choose(arguments, name, files, context):
    """The settings of llama.cpp that are fastest at `context`: {"prefill": (form, flash, ubatch), "decode": …}."""
    tried = []
    for form, file in files.items():
        for flash in (True, False):
            for ubatch in (512, 2048):
                figures = run_llama(arguments, file, flash, ubatch, context)
                tried.append({"form": form, "flash": flash, "ubatch": ubatch, **figures})
                print(f"  {name}, llama.cpp on {form}, flash attention {'on' if flash else 'off'}, ubatch {ubatch}: "
                      f"prefill {figures['prefill']:.1f}, decode {figures['decode']:.1f} tokens/s", file=sys.stderr)
    best = {what: max(tried, key=lambda row: row[what]) for what in ("prefill", "decode")}
    if best["prefill"]["decode"] >= 0.97 * best["decode"]["decode"]:
        best["decode"] = best["prefill"]  # ubatch is nothing to single tokens: that was noise
    return {what: (row["form"], row["flash"], row["ubatch"]) for what, row in best.items()}, tried


def describe(setting):
    form, flash, ubatch = setting
    return f"{form}, flash attention {'on' if flash else 'off'}, ubatch {ubatch}"


def compare(arguments):
    models = dict(item.split("=", 1) for item in arguments.model)
    report = {"machine": machine(), "threads": arguments.threads, "decode_tokens": arguments.decode,
              "rounds": arguments.rounds, "models": {}}
    for name, path in models.items():
        path = pathlib.Path(path)
        files = {"packaged": path}
        if not arguments.no_q8_0:
            q8_0 = arguments.work / (path.stem + ".q8_0.gguf")
            if not q8_0.exists():
                print(f"  writing {q8_0.name}", file=sys.stderr)
                arguments.work.mkdir(parents=True, exist_ok=True)
                in_own_process("write_q8_0", path, q8_0)
            files["Q8_0"] = q8_0
        settings, tried = choose(arguments, name, files, arguments.choose_at or arguments.contexts[0])
        report["models"][name] = entry = {"file_bytes": path.stat().st_size,
                                          "costs": {n: in_own_process("costs", path, n) for n in arguments.contexts},
                                          "settings": {k: describe(v) for k, v in settings.items()}, "tried": tried,
                                          "runs": []}
        for round_number in range(arguments.rounds):
            for context in arguments.contexts:
                if round_number > 0 and arguments.once_from and context >= arguments.once_from:
                    continue
                one = arguments.one_setting_from and context >= arguments.one_setting_from
                for setting in sorted({settings["prefill"]} if one else set(settings.values())):
                    form, flash, ubatch = setting
                    figures = run_llama(arguments, files[form], flash, ubatch, context)
                    entry["runs"].append({"who": "llama.cpp", "setting": describe(setting), "context": context,
                                          "round": round_number, **figures})
                    progress(name, "llama.cpp", context, figures)
                if not arguments.llama_only:
                    of = entry["costs"][context]
                    figures = run_tome(arguments, path, context,
                                       {"prefill": of["operations"], "decode": entry["file_bytes"] + of["kv_bytes"]})
                    entry["runs"].append({"who": "tome", "context": context, "round": round_number, **figures})
                    progress(name, "tome", context, figures)
                if arguments.json:
                    arguments.json.write_text(json.dumps(report, indent=1) + "\n")
    return report


def progress(name, who, context, figures):
    print(f"  {name}, {who}, {context} tokens: prefill {figures['prefill']:.1f}, decode {figures['decode']:.1f} tokens/s, "
          f"peak {figures['rss'] / 2**20:.0f} MiB", file=sys.stderr)


def table(report):
    lines = ["| model | tokens | | llama.cpp | Tome | ratio | wanted | of the machine's limit |",
             "|---|---|---|---|---|---|---|---|"]
    memory = ["| model | tokens | llama.cpp, peak MiB | Tome, peak MiB | Tome less model file and KV (16 bit), MiB |",
              "|---|---|---|---|---|"]
    for name, entry in report["models"].items():
        contexts = sorted({run["context"] for run in entry["runs"]})
        for context in contexts:
            runs = [run for run in entry["runs"] if run["context"] == context]
            ours = [run for run in runs if run["who"] == "tome"]
            for what in ("prefill", "decode"):
                peer, mine = medians(runs, what)
                entry.setdefault("ratios", {})[f"{what}@{context}"] = mine / peer if ours else None
                wanted = WANTED.get((name, what, context), "")
                share = statistics.median(run["share"][what] for run in ours) if ours else None
                lines.append(f"| {name} | {context} | {what}, tokens/s | {peer:.1f} | "
                             + (f"{mine:.1f} | {mine / peer:.2f} | {wanted} | {100 * share:.0f} % |" if ours else "| | | |"))
            peer = statistics.median(run["rss"] for run in runs if run["who"] == "llama.cpp") / 2**20
            if ours:
                mine = statistics.median(run["rss"] for run in ours) / 2**20
                kv = {int(n): of for n, of in entry["costs"].items()}[context]["kv_bytes"]  # JSON makes the keys text
                extra = mine - (entry["file_bytes"] + kv) / 2**20
                memory.append(f"| {name} | {context} | {peer:.0f} | {mine:.0f} | {extra:.0f} |")
            else:
                memory.append(f"| {name} | {context} | {peer:.0f} | | |")
    settings = [f"{name}: llama.cpp's best for {what}: {setting}." for name, entry in report["models"].items()
                for what, setting in entry["settings"].items()]
    return "\n".join(lines + [""] + memory + [""] + settings)


def medians(runs, what):
    """(llama.cpp's, Tome's or None) median of the runs at one length, llama.cpp at its faster setting."""
    theirs = {}
    for run in runs:
        if run["who"] == "llama.cpp":
            theirs.setdefault(run["setting"], []).append(run[what])
    ours = [run[what] for run in runs if run["who"] == "tome"]
    return max(map(statistics.median, theirs.values())), statistics.median(ours) if ours else None


def svg(report):
    """Tokens per second over the length, both axes logarithmic: a panel for each model and for reading and writing."""
    import math
    width, height, left, bottom, gap = 360, 240, 58, 40, 24
    names, kinds = list(report["models"]), ("prefill", "decode")
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {len(names) * (width + gap)} '
           f'{len(kinds) * (height + gap) + 20}" font-family="sans-serif" font-size="11">',
           '<style>text{fill:#444} .grid{stroke:#ccc} .tome{stroke:#0a7;fill:#0a7} .peer{stroke:#c60;fill:#c60} '
           'polyline{fill:none!important;stroke-width:2} '
           '@media (prefers-color-scheme: dark){text{fill:#ccc} .grid{stroke:#555}}</style>']
    for column, name in enumerate(names):
        runs = report["models"][name]["runs"]
        contexts = sorted({run["context"] for run in runs})
        for row, what in enumerate(kinds):
            points = [(n, *medians([run for run in runs if run["context"] == n], what)) for n in contexts]
            values = [value for point in points for value in point[1:] if value]
            low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
            first, last = math.log2(contexts[0]), math.log2(contexts[-1])
            x0, y0 = column * (width + gap) + left, 20 + row * (height + gap)
            place = lambda n, value: (x0 + (math.log2(n) - first) / max(last - first, 1) * (width - left - 10),
                                      y0 + (height - bottom) * (1 - (math.log10(value) - low) / max(high - low, 1)))
            out.append(f'<text x="{x0}" y="{y0 - 6}">{name}: {what}, tokens/s</text>')
            for power in range(low, high + 1):
                _, y = place(contexts[0], 10 ** power)
                out.append(f'<line class="grid" x1="{x0}" x2="{x0 + width - left - 10}" y1="{y:.1f}" y2="{y:.1f}"/>'
                           f'<text x="{x0 - 6}" y="{y + 4:.1f}" text-anchor="end">{10 ** power:g}</text>')
            for n in contexts:
                x, _ = place(n, 10 ** low)
                out.append(f'<text x="{x:.1f}" y="{y0 + height - bottom + 16}" text-anchor="middle">{n // 1024}K</text>')
            for index, (css, who) in enumerate((("peer", "llama.cpp"), ("tome", "Tome")), start=1):
                drawn = [(place(point[0], point[index]), point[index]) for point in points if point[index]]
                if not drawn:
                    continue
                line = " ".join(f"{x:.1f},{y:.1f}" for (x, y), _ in drawn)
                out.append(f'<polyline class="{css}" points="{line}"/>')
                out += [f'<circle class="{css}" cx="{x:.1f}" cy="{y:.1f}" r="3"><title>{who}: {value:.1f}</title></circle>'
                        for (x, y), value in drawn]
                (x, y), value = drawn[-1]
                out.append(f'<text x="{x - 4:.1f}" y="{y - 7:.1f}" text-anchor="end">{who} {value:.0f}</text>')
    return "\n".join(out + ["</svg>"]) + "\n"


def machine():
    try:
        version = importlib.metadata.version("llama-cpp-python")
    except importlib.metadata.PackageNotFoundError:
        raise SystemExit("llama-cpp-python is not installed: pip install --no-binary llama-cpp-python llama-cpp-python")
    cpu = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    return {"cpu": cpu, "cores": os.cpu_count(), "load_average": os.getloadavg(), "llama_cpp_python": version,
            "date": time.strftime("%Y-%m-%d")}


def program(name):
    return pathlib.Path(shutil.which(name) or name).resolve()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--task", help=argparse.SUPPRESS)
    parser.add_argument("--model", action="append", metavar="NAME=FILE", default=[])
    parser.add_argument("--tome", type=program, default="build/release/tome")
    parser.add_argument("--tome-flag", action="append", default=[], help="passed on to tome bench")
    parser.add_argument("--text", type=pathlib.Path, help="taken in by llama.cpp; repeated when too short")
    parser.add_argument("--contexts", type=lambda s: [int(n) for n in s.split(",")], default=[4096, 32768])
    parser.add_argument("--choose-at", type=int, help="tokens at which llama.cpp's setting is chosen")
    parser.add_argument("--svg", type=pathlib.Path, help="draw the medians into this file")
    parser.add_argument("--draw", type=pathlib.Path, help="measure nothing: table and drawing of this --json file")
    parser.add_argument("--decode", type=int, default=64, help="tokens decoded after the prefill")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--once-from", type=int, metavar="TOKENS", help="one round at lengths from this one on")
    parser.add_argument("--one-setting-from", type=int, metavar="TOKENS",
                        help="llama.cpp with its fastest setting for prefill alone at lengths from this one on")
    parser.add_argument("--timeout", type=int, default=1800)
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path("build/bench"), help="for the Q8_0 files")
    parser.add_argument("--no-q8_0", action="store_true", help="the packaged file only")
    parser.add_argument("--llama-only", action="store_true", help="leave Tome out (to try the script)")
    parser.add_argument("--json", type=pathlib.Path, help="every run's figures, written as they come")
    arguments = parser.parse_args()
    if arguments.worker:
        return worker(json.loads(arguments.worker))
    if arguments.task:
        task, *values = json.loads(arguments.task)
        return print(json.dumps({"write_q8_0": write_q8_0, "costs": costs}[task](*values)))
    if arguments.draw:
        report = json.loads(arguments.draw.read_text())
        print(table(report))
        if arguments.svg:
            arguments.svg.write_text(svg(report))
        return None
    if not arguments.model:
        parser.error("--model NAME=FILE is missing")
    if os.getloadavg()[0] > 0.5:
        print(f"the machine is not quiet: load average {os.getloadavg()[0]:.2f}", file=sys.stderr)
    report = compare(arguments)
    print(table(report))
    if arguments.svg:
        arguments.svg.write_text(svg(report))
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()

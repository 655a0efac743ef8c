#!/usr/bin/env python3
"""Does the model point at the right passage, and is the answer right after re-reading? Over bench/questions.

    bench/evidence.py --document fhs-3.0=fhs-3.0.txt --setting none --setting yarn:4 --setting linear:4 \\
                      --answer-model smollm2-135m --answer-model self --closed-book --json evidence.json
    bench/evidence.py --report evidence.json other.json        the tables again, without asking anything

The document is read once for each setting (a snapshot serves every question). A passage of 64 tokens is right when it
overlaps one of the question's quotes; its rank is that of the best right one. BM25 (k1 1.2, b 0.75) ranks the same
passages by their words. Pairs of settings are compared by an exact sign test of the ranks and by McNemar's exact test
of "among the first ten". An answer is right by the rule stated in questions.json, whatever else it says.
"""
import argparse
import collections
import itertools
import json
import math
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
BM25 = "BM25"


# ---------------------------------------------------------------- asking

def ask(arguments, document, questions, flags):
    """tome ask, one JSON object a question, in order."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as listed:
        listed.write("".join(entry["question"] + "\n" for entry in questions))
        listed.flush()
        command = [str(arguments.tome), "ask", str(document), "--questions", listed.name, "--json",
                   "-t", str(arguments.threads), *flags]
        if arguments.cache:
            command += ["--cache", str(arguments.cache)]
        start = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        answers = []
        decoder, pending = json.JSONDecoder(), ""
        for line in process.stdout:
            pending += line.decode("utf-8")
            while pending.strip():
                try:
                    value, end = decoder.raw_decode(pending.lstrip())
                except json.JSONDecodeError:
                    break
                pending = pending.lstrip()[end:]
                answers.append(value)
                print(f"  {len(answers)} of {len(questions)} after {time.monotonic() - start:.0f} s", file=sys.stderr)
        if process.wait():
            raise SystemExit(f"{' '.join(command)}: exit code {process.returncode}")
    if len(answers) != len(questions):
        raise SystemExit(f"tome ask gave {len(answers)} answers to {len(questions)} questions")
    return answers


def position_flags(setting):
    method, _, factor = setting.partition(":")
    return ["--rope-scaling", method] + (["--rope-factor", factor] if factor else [])


def spans(entry, text):
    """Byte ranges of the quotes."""
    found = []
    for quote in [entry["gold"]] + entry.get("also", []):
        if text.count(quote) != 1:
            raise SystemExit(f"{entry['id']}: the quote occurs {text.count(quote)} times; is this the right document?")
        begin = len(text[:text.index(quote)].encode())
        found.append((begin, begin + len(quote.encode())))
    return found


def rank_of(ranked, gold):
    """ranked: (begin, end) best first. 1 is best; None when no passage is right."""
    for rank, (begin, end) in enumerate(ranked, 1):
        if any(begin < last and first < end for first, last in gold):
            return rank
    return None


def words(text):
    return re.findall(r"[^\W_]+", text.lower())


def bm25_ranking(passages, question, k1=1.2, b=0.75):
    """passages: [(begin, end, words)] in document order; the same (begin, end), best first, ties in document order."""
    frequency = collections.Counter()
    for _, _, content in passages:
        frequency.update(set(content))
    mean = statistics.fmean(len(content) for _, _, content in passages)
    asked = set(words(question))
    scored = []
    for index, (begin, end, content) in enumerate(passages):
        counts = collections.Counter(word for word in content if word in asked)
        score = 0.0
        for word, count in counts.items():
            inverse = math.log(1 + (len(passages) - frequency[word] + 0.5) / (frequency[word] + 0.5))
            score += inverse * count * (k1 + 1) / (count + k1 * (1 - b + b * len(content) / mean))
        scored.append((-score, index, begin, end))
    return [(begin, end) for _, _, begin, end in sorted(scored)]


def is_right(answer, entry):
    folded = " ".join(answer.lower().split())
    return any(accepted in folded for accepted in entry["answer_any"])


def measure(arguments):
    data = json.loads((arguments.questions / "questions.json").read_text(encoding="utf-8"))
    report = {"date": time.strftime("%Y-%m-%d"), "model": arguments.model, "documents": {}}
    for item in arguments.document:
        name, path = item.split("=", 1)
        text = pathlib.Path(path).read_text(encoding="utf-8")
        questions = [entry for entry in data["questions"] if entry["document"] == name][:arguments.limit]
        gold = [spans(entry, text) for entry in questions]
        result = report["documents"][name] = {
            "ids": [entry["id"] for entry in questions], "paraphrased": [entry["paraphrased"] for entry in questions],
            "ranks": {}, "answers": {}, "right": {}, "tokens": None, "passages": None, "read_seconds": {}}
        for setting in arguments.setting:
            for number, answerer in enumerate(arguments.answer_model or [None]):
                print(f"{name}, {setting}, answered by {answerer}", file=sys.stderr)
                flags = ["-m", arguments.model, *position_flags(setting), "--strategy", arguments.strategy, *arguments.tome_flag]
                flags += ["--evidence", "1000000" if number == 0 else "0"]
                flags += ["-n", str(arguments.predict) if answerer else "1"]
                if answerer and answerer != "self":
                    flags += ["--answer-model", answerer]
                answers = ask(arguments, path, questions, flags)
                if number == 0:
                    take_ranks(result, setting, questions, gold, answers)
                if answerer:
                    take_answers(result, f"{setting}, re-read by {answerer}", questions, answers)
                save(arguments, report)
        if arguments.direct:
            for setting in arguments.setting:
                print(f"{name}, {setting}, directly", file=sys.stderr)
                flags = ["-m", arguments.model, *position_flags(setting), "--strategy", "direct", "--evidence", "0",
                         "-n", str(arguments.predict), *arguments.tome_flag]
                take_answers(result, f"{setting}, directly by self", questions, ask(arguments, path, questions, flags))
                save(arguments, report)
        if arguments.closed_book:
            with tempfile.NamedTemporaryFile("w", suffix=".txt") as blank:
                blank.write("This page is intentionally left blank.\n")
                blank.flush()
                for answerer in arguments.answer_model or ["self"]:
                    flags = ["-m", arguments.model if answerer == "self" else answerer, "--strategy", "direct",
                             "--evidence", "0", "-n", str(arguments.predict), "--no-cache"]
                    answers = ask(argparse.Namespace(**{**vars(arguments), "cache": None}), blank.name, questions, flags)
                    take_answers(result, f"without the document, {answerer}", questions, answers)
            save(arguments, report)
    return report


def take_ranks(result, setting, questions, gold, answers):
    ranks = []
    for index, (entry, answer) in enumerate(zip(questions, answers)):
        ranked = [(e["begin"], e["end"]) for e in answer["evidence"]]
        if len(ranked) != answer["passages"] or not ranked:
            raise SystemExit(f"{entry['id']}: {len(ranked)} of {answer['passages']} passages; are the heads known?")
        ranks.append(rank_of(ranked, gold[index]))
        if BM25 not in result["ranks"] or len(result["ranks"][BM25]) < len(questions):
            passages = [(e["begin"], e["end"], words(e["text"]))
                        for e in sorted(answer["evidence"], key=lambda e: e["passage"])]
            result["ranks"].setdefault(BM25, []).append(rank_of(bm25_ranking(passages, entry["question"]), gold[index]))
    result["ranks"][setting] = ranks
    result["tokens"], result["passages"] = answers[0]["document_tokens"], answers[0]["passages"]
    result.setdefault("positions", {})[setting] = answers[0]["positions"]
    result["read_seconds"][setting] = sum(s["seconds"] for s in answers[0]["stages"])
    result["heads"] = answers[0]["heads"]


def take_answers(result, how, questions, answers):
    result["answers"][how] = [answer["answer"] for answer in answers]
    result["right"][how] = [is_right(answer["answer"], entry) for entry, answer in zip(questions, answers)]


def save(arguments, report):
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


# ---------------------------------------------------------------- statistics and tables

def exact_two_sided(wins, losses):
    """Binomial, p = 1/2, ties left out."""
    n, k = wins + losses, min(wins, losses)
    return min(1.0, 2 * sum(math.comb(n, i) for i in range(k + 1)) / 2 ** n) if n else 1.0


def wilson(hits, n, z=1.96):
    centre, share = hits + z * z / 2, hits / n
    spread = z * math.sqrt(n * share * (1 - share) + z * z / 4)
    return max(0.0, (centre - spread) / (n + z * z)), min(1.0, (centre + spread) / (n + z * z))


def percent(hits, n):
    return f"{hits} of {n} ({hits / n:.0%})" if n else "none"


def tables(report):
    lines = []
    for name, result in report["documents"].items():
        n = len(result["ids"])
        worst = (result["passages"] or 0) + 1
        ranks = {how: [r or worst for r in found] for how, found in result["ranks"].items()}
        lines += [f"### {name}: {result['tokens']:,} tokens, {result['passages']} passages, {n} questions", "",
                  "| ranked by | median rank | top 3 | top 10 | 95 % interval | top 10, paraphrased | top 10, others | worst |",
                  "|---|---|---|---|---|---|---|---|"]
        for how in sorted(ranks, key=lambda how: how == BM25):
            hits = [r <= 10 for r in ranks[how]]
            low, high = wilson(sum(hits), n)
            groups = [[h for h, p in zip(hits, result["paraphrased"]) if p == which] for which in (True, False)]
            label = how if how == BM25 else f"heads, {how}"
            lines.append(f"| {label} | {statistics.median(ranks[how]):g} | {percent(sum(r <= 3 for r in ranks[how]), n)} | "
                         f"{percent(sum(hits), n)} | {low:.0%}–{high:.0%} | {percent(sum(groups[0]), len(groups[0]))} | "
                         f"{percent(sum(groups[1]), len(groups[1]))} | {max(ranks[how])} |")
        lines += ["", "| pair | first better, second better (rank) | sign test p | only first, only second in top 10 | McNemar p |",
                  "|---|---|---|---|---|"]
        for a, b in itertools.combinations(sorted(ranks, key=lambda how: how == BM25), 2):
            better = sum(x < y for x, y in zip(ranks[a], ranks[b]))
            worse = sum(x > y for x, y in zip(ranks[a], ranks[b]))
            only_a = sum(x <= 10 < y for x, y in zip(ranks[a], ranks[b]))
            only_b = sum(y <= 10 < x for x, y in zip(ranks[a], ranks[b]))
            lines.append(f"| {a} : {b} | {better}, {worse} | {exact_two_sided(better, worse):.2g} | {only_a}, {only_b} | "
                         f"{exact_two_sided(only_a, only_b):.2g} |")
        if result["right"]:
            lines += ["", "| answered | right | 95 % interval |", "|---|---|---|"]
            for how, right in result["right"].items():
                low, high = wilson(sum(right), n)
                lines.append(f"| {how} | {percent(sum(right), n)} | {low:.0%}–{high:.0%} |")
        lines.append("")
    return "\n".join(lines)


def program(name):
    return pathlib.Path(shutil.which(name) or name).resolve()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--document", action="append", default=[], metavar="NAME=FILE", help="fhs-3.0=…, policy=…")
    parser.add_argument("--setting", action="append", default=[], metavar="METHOD[:FACTOR]",
                        help="none, auto, yarn:4, linear:4 … (default: auto)")
    parser.add_argument("--model", default="gemma3-270m")
    parser.add_argument("--answer-model", action="append", default=[], help="a model, or self; may be repeated")
    parser.add_argument("--strategy", choices=["reread", "skim"], default="reread", help="how the document is read")
    parser.add_argument("--direct", action="store_true", help="answers straight after the whole document too")
    parser.add_argument("--closed-book", action="store_true", help="answers without the document too")
    parser.add_argument("--predict", type=int, default=48, help="tokens an answer may have")
    parser.add_argument("--questions", type=pathlib.Path, default=HERE / "questions")
    parser.add_argument("--limit", type=int, help="the first questions only (to try the script)")
    parser.add_argument("--tome", type=program, default="build/release/tome")
    parser.add_argument("--tome-flag", action="append", default=[], help="passed on to tome ask, as --tome-flag=--FLAG")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cache", type=pathlib.Path, help="folder of snapshots (default: the user's)")
    parser.add_argument("--json", type=pathlib.Path, help="ranks and answers, written as they come")
    parser.add_argument("--report", nargs="+", type=pathlib.Path, metavar="JSON", help="only print the tables of these")
    arguments = parser.parse_args()
    if arguments.report:
        for path in arguments.report:
            print(tables(json.loads(path.read_text(encoding="utf-8"))))
        return
    if not arguments.document:
        parser.error("--document NAME=FILE is missing")
    arguments.setting = arguments.setting or ["auto"]
    print(tables(measure(arguments)))


if __name__ == "__main__":
    main()

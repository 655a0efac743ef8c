#!/usr/bin/env python3
"""Checks questions.json against the documents: quotes exact and unique, the whole length covered, half paraphrased.

    check.py --documents DIR        (DIR holds fhs-3.0.txt and policy.txt, of the package debian-policy)
"""
import argparse
import collections
import hashlib
import json
import pathlib
import re
import sys

STOP = set("""a an and any are as at be been but by can could did do does for from get give had has have how if in into is
it its may must not of on one or ought out own should so some somebody something than that the their them then there they
thing things this those to up use used was were what when where which who whose why will with would you your""".split())
LEAST = 20               # questions a document
PARTS = 5                # each document is cut into so many equal parts, and each must hold a fair share
MOST_SHARED = 0.5        # of the content words of a paraphrased question found in its quotes


def content_words(text):
    stem = lambda word: re.sub(r"(ing|ed|es|s)$", "", word) if len(word) > 4 else word
    return {stem(word) for word in re.findall(r"[a-z0-9][a-z0-9.+/-]*[a-z0-9]|[a-z0-9]", text.lower()) if word not in STOP}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=pathlib.Path, required=True)
    parser.add_argument("-v", "--verbose", action="store_true")
    arguments = parser.parse_args()
    here = pathlib.Path(__file__).resolve().parent
    data = json.loads((here / "questions.json").read_text(encoding="utf-8"))
    faults, seen = [], set()
    texts = {name: (arguments.documents / d["file"]).read_text(encoding="utf-8") for name, d in data["documents"].items()}
    places = collections.defaultdict(list)
    shared = {True: [], False: []}
    for entry in data["questions"]:
        name = entry["id"]
        if name in seen:
            faults.append(f"{name}: the id occurs twice")
        seen.add(name)
        text = texts[entry["document"]]
        for quote in [entry["gold"]] + entry.get("also", []):
            if text.count(quote) != 1:
                faults.append(f"{name}: the quote occurs {text.count(quote)} times, expected once: {quote[:60]!r}")
        places[entry["document"]].append(text.find(entry["gold"]) / len(text))
        if not entry["answer_any"] or any(a != a.lower() or not a.strip() for a in entry["answer_any"]):
            faults.append(f"{name}: answer_any must hold lower-case strings")
        asked = content_words(entry["question"])
        share = len(asked & content_words(" ".join([entry["gold"]] + entry.get("also", [])))) / len(asked)
        shared[entry["paraphrased"]].append(share)
        if entry["paraphrased"] and share > MOST_SHARED:
            faults.append(f"{name}: called paraphrased, but {share:.0%} of its content words are in the quote")
        if arguments.verbose:
            print(f"{name:10} {places[entry['document']][-1]:6.1%} shared {share:4.0%} {entry['question']}")
    for document, where in places.items():
        counts = collections.Counter(min(PARTS - 1, int(place * PARTS)) for place in where)
        spread = [counts[part] for part in range(PARTS)]
        digest = hashlib.sha256(texts[document].encode()).hexdigest()[:16]
        print(f"{document}: {len(where)} questions, by fifth of the document {spread}, sha256 {digest}…")
        if len(where) < LEAST:
            faults.append(f"{document}: {len(where)} questions, expected {LEAST} or more")
        if min(spread) * PARTS * 3 < len(where):
            faults.append(f"{document}: questions by fifth {spread}: one fifth is nearly empty")
    total = len(data["questions"])
    mean = {key: sum(v) / len(v) for key, v in shared.items()}
    print(f"{total} questions, {len(shared[True])} paraphrased; content words shared with the quotes: "
          f"paraphrased {mean[True]:.0%}, others {mean[False]:.0%}")
    if len(shared[True]) * 2 < total:
        faults.append(f"{len(shared[True])} of {total} questions are paraphrased, expected half")
    print("\n".join(faults) or "all quotes are exact and unique")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Makes the .jsonl files beside it and the small jieba dictionary and model in jieba/ (words ours, figures invented).

  pip install -r requirements.txt && python make_scores.py

Values come from the pinned packages, called as the official scripts call them, or from reference_scores.py.
"""
import json
import math
import os
import random
import sys
import tempfile
import uuid
import warnings

warnings.simplefilter("ignore")
import jieba
import numpy
from fuzzywuzzy import fuzz
from rouge import Rouge
from rouge_score import rouge_scorer

import case_texts as texts
import reference_scores as rules

HERE = os.path.dirname(os.path.abspath(__file__))
GOOGLE = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL", "rougeLsum"], use_stemmer=False)
VOCABULARY = ("中国 北京 上海 北京大学 大学 大学生 学生 生活 人工 人工智能 智能 模型 语言 语言模型 长文本 文本 研究 研究生 生命 起源 "
              "我们 你们 他们 今天 明天 天气 很好 不好 好的 喜欢 学习 机器 机器学习 数据 数据集 问题 回答 答案 会议 总结 报告 经济 发展 "
              "社会 主义 文化 历史 科学 技术 公司 市场 价格 时间 国家 世界 城市 地方 方法 结果 结合 合成 分子 化学 物理 数学 GPT-4 3.14% "
              "c# 的话 可能 可以 没有 就是 知道 这样 那样 什么 怎么 为什么 东西 南京 南京市 市长 长江 大桥 长江大桥 江大桥").split()


def write(name, rows):
    with open(os.path.join(HERE, name), "w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")
    print(name, len(rows))


def pltrdy(prediction, gold):
    try:
        return Rouge().get_scores([prediction], [gold], avg=True)["rouge-l"]["f"]
    except Exception:  # LongBench's scorer gives 0 whatever happens
        return 0.0


def google(prediction, gold):
    scores = GOOGLE.score(gold, prediction)
    return [scores[kind].fmeasure for kind in ("rouge1", "rouge2", "rougeL", "rougeLsum")]


def make_pairs(rng):
    rows = []
    for number in range(700):
        prediction, gold = texts.pair(rng, texts.words if number % 7 else lambda r: texts.words(r, 40, 0.05, 0.2))
        rows.append([prediction, gold, rules.f1(rules.english(prediction), rules.english(gold)),
                     rules.f1(rules.chinese(prediction), rules.chinese(gold)), pltrdy(prediction, gold),
                     *google(prediction, gold), fuzz.ratio(prediction, gold), rules.indel(prediction, gold)])
    return rows


def make_code(rng):
    rows = []
    for number in range(400):
        most = 20 if number % 3 else 90
        line, gold = texts.pair(rng, lambda r: texts.code(r, most))
        if most == 90 and rng.random() < 0.5:
            gold = " ".join(rng.choice("ab xyz".split()) for _ in range(rng.randint(90, 140)))  # popular characters
            line = texts.changed(rng, gold)
        before = [rng.choice(["", "", "```python", "# why", "// so", "`x`", "x = 1"]) for _ in range(rng.randint(0, 2))]
        prediction = rng.choice(["", "\n", "\n\n"]) + "\n".join(before + [line] + rng.choice([[], ["tail()"]]))
        rows.append([prediction, gold, fuzz.ratio(rules.code_line(prediction), gold) / 100,
                     rules.indel(rules.code_line(prediction), gold) / 100])
    return rows


def make_longbench(rng):
    rows = []
    classes = ["Food", "Food and drink", "drink", "Location", "City", "Other city", "Date", "Animal", "Other", "and", "Foo"]
    for _ in range(400):
        names = rng.sample(classes, rng.randint(1, len(classes)))
        if rng.random() < 0.2:
            names.append(rng.choice(names))
        gold = rng.choice(names if rng.random() < 0.9 else classes)
        said = rng.choice(["{}", "It is {}.", "{}\nType", "{} {}", "{}, {} {}"]).replace("{}", "%s")
        prediction = said % tuple(rng.choice([gold, gold, rng.choice(classes)]) for _ in range(said.count("%s")))
        rows.append(["classification", prediction, gold, names, rules.classification(prediction, gold, names)])
    digits = ["7", "07", "12", "3", "３", "١٢", "30", "12.5", "1,000", "-7", "no", "²", "7th"]
    for _ in range(400):
        prediction = " ".join(rng.choice(digits + ["Paragraph", "段落", "is", "."]) for _ in range(rng.randint(0, 6)))
        number = rng.choice(["7", "12", "3", "30", "07"])
        rows.append(["count", prediction, number, [], rules.share_of_number(prediction, number)])
        gold = rng.choice(["Paragraph {}", "See Paragraph x, Paragraph {}", "Paragraph {}, Paragraph 1"]).format(number)
        rows.append(["retrieval", prediction, gold, [], rules.retrieval(prediction, gold, "Paragraph ")])
        gold = "段落" + number
        rows.append(["retrieval_zh", prediction, gold, [], rules.retrieval(prediction, gold, "段落")])
    for _ in range(400):
        prediction = "".join(rng.choice(["The correct answer is ", "the correct answer is ", "(", ")", "*", "**", "A", "B",
                                         "(C)", "(D)", "(E)", "D", ".", " ", "Apples"]) for _ in range(rng.randint(0, 9)))
        prediction = rng.choice(["", "The correct answer is ", "The *correct* answer is ("]) + prediction
        rows.append(["letter", prediction, "", [], rules.letter(prediction)])
    return rows


def make_ruler(rng):
    rows = []
    for _ in range(400):
        refs = [rng.choice(texts.WORDS + texts.ODD + ["8231907", "lazy-stone", "ΟΔΟΣ", ""]) for _ in range(rng.randint(1, 5))]
        said = [rng.choice([one, one.upper(), one.lower(), rng.choice(texts.WORDS)]) for one in refs]
        prediction = rng.choice(["", " ", "\x00", "\n"]) + rng.choice([" ", ", ", "\x01", "\n"]).join(said) + rng.choice(["", "\x1f ", "\u3000"])
        rows.append([prediction, refs, *rules.ruler(prediction, refs)])
    return rows


def infinitebench_case(rng, task):
    """prediction, labels, options"""
    number = str(rng.randint(0, 99999))
    noise = rng.choice(["", " ", "The answer is ", "x=", "**", "no. "]) + rng.choice(["", "-", "\n", "\""])
    tail = rng.choice(["", ".", " ", "\n", ". 5", " and 12", "},", "abc"])
    if task in ("passkey", "number_string"):
        return noise + rng.choice([number, number + number, "0" + number, ""]) + tail, [number]
    if task == "kv_retrieval":
        key = str(uuid.UUID(int=rng.getrandbits(128)))
        return noise + rng.choice([key, '"' + key + '"', "{k: " + key + "}", key[:-1], key.upper(), key + ";"]) + tail, [key]
    if task == "code_run":
        value = rng.randint(-30, 60)
        said = rng.choice([str(value), "+%d" % value, "%d_0" % value, "%d.0" % value, "func(3) = %d" % value, "", "０%d" % abs(value)])
        return noise + said + tail, [value]
    if task == "math_find":
        value = rng.choice([rng.randint(0, 300), round(rng.random() * 90, 2), float(rng.randint(0, 50))])
        said = rng.choice([str(value), "%s." % value, "about %s" % value, "0%s" % value, str(rng.randint(0, 9)), "١٢", ""])
        return noise + said + tail, [value]
    if task == "math_calc":
        values = [rng.randint(-9, 99) for _ in range(rng.randint(1, 8))]
        said = [abs(v) if rng.random() < 0.93 else v + 1 for v in values][:rng.randint(0, 9)]
        return rng.choice(["", "["]) + rng.choice([", ", " ", "\n", "-> "]).join(map(str, said)) + rng.choice(["]", "", ", 5"]), values
    if task == "longdialogue_qa_eng":
        name = rng.choice([["QUINN"], ["ECKER", "COMMANDER BILL ECKER"], ["STAMP PAID"], ["STRASSE"], ["O'NEIL"]])
        said = rng.choice([rng.choice(name), name[0].title(), name[0].lower() + ".", "straße", "Mr " + name[-1], "NOBODY"])
        return noise + said + tail, name
    if task in ("code_debug", "longbook_choice_eng"):
        name = rng.choice(["parse_line", "Adams farm", "B and C", "the river", "run"])
        letter = rng.choice("ABCD")
        other = rng.choice("ABCDEJ")
        opening = rng.choice(["", "", " ", "The answer is: ", "answer:", "Answer: ", "The answer is", "The correct option is: ", "option is ",
                              "I think ", "is: ", "The answer is:\n", "Option ", "**", "BC ", "\u3000"])
        said = rng.choice([letter, letter + ".", letter + ": " + name, other, other + ". " + name, name, name + "\n" + letter,
                           letter + " or " + other, "\"" + letter + "\"", "(" + letter + ")", "", letter + "é"])
        return opening + said + rng.choice(["", "", ".", " because A man", "\nB is wrong"]), [name, letter]
    if task == "longbook_qa_chn":
        gold = [texts.chinese(rng, VOCABULARY, 5) for _ in range(rng.randint(1, 2))]
        return rng.choice([gold[0], texts.changed(rng, gold[-1]), texts.chinese(rng, VOCABULARY, 5)]), gold
    gold = [texts.words(rng, 10) for _ in range(rng.randint(1, 3))]
    return rng.choice([texts.changed(rng, rng.choice(gold)), texts.words(rng, 10)]), gold


def make_infinitebench(rng):
    rows = []
    for task, score in rules.INFINITEBENCH.items():
        for _ in range(300):
            prediction, labels = infinitebench_case(rng, task)
            rows.append([task, prediction, labels, float(score(prediction, labels, False)), float(score(prediction, labels, True))])
    for _ in range(300):  # evaluate's rouge with a list of references takes the best
        prediction, labels = infinitebench_case(rng, "longbook_sum_eng")
        best = max(GOOGLE.score(one, prediction)["rougeLsum"].fmeasure for one in labels)
        rows.append(["longbook_sum_eng", prediction, labels, best, best])
    return rows


def write_jieba(rng):
    os.makedirs(os.path.join(HERE, "jieba", "finalseg"), exist_ok=True)
    with open(os.path.join(HERE, "jieba", "dict.txt"), "w", encoding="utf-8") as file:
        for word in VOCABULARY + list("的一是不了人我在有他这中大来上个国"):
            file.write("%s %d n\n" % (word, int(math.exp(rng.uniform(0, 9)))))
    characters = sorted(set(texts.HAN + "".join(VOCABULARY)))
    emission = {state: {c: round(rng.uniform(-14, -3), 3) for c in characters if ord(c) > 0x4e00 and rng.random() < 0.7}
                for state in "BEMS"}
    tables = {"prob_start": {"B": -0.26, "E": -3.14e+100, "M": -3.14e+100, "S": -1.47},
              "prob_trans": {"B": {"E": -0.51, "M": -0.92}, "E": {"B": -0.59, "S": -0.81}, "M": {"E": -0.33, "M": -1.26},
                             "S": {"B": -0.72, "S": -0.67}},
              "prob_emit": emission}
    for name, table in tables.items():
        with open(os.path.join(HERE, "jieba", "finalseg", name + ".py"), "w", encoding="ascii") as file:
            file.write("P=" + ascii(table).replace("}, ", "},\n ") + "\n")
    return tables


def load_jieba(tables):
    jieba.setLogLevel(60)
    jieba.dt.cache_file = os.path.join(tempfile.mkdtemp(), "cache")
    jieba.set_dictionary(os.path.join(HERE, "jieba", "dict.txt"))
    jieba.finalseg.start_P, jieba.finalseg.trans_P, jieba.finalseg.emit_P = (
        tables["prob_start"], tables["prob_trans"], tables["prob_emit"])


def make_chinese(rng):
    rows = []
    for _ in range(400):
        prediction, gold = texts.pair(rng, lambda r: texts.chinese(r, VOCABULARY))
        got, want = list(jieba.cut(prediction)), list(jieba.cut(gold))
        normal = [[w for w in map(rules.chinese, cut) if w] for cut in (got, want)]
        rows.append([prediction, gold, got, list(jieba.cut(prediction, HMM=False)), rules.f1(*normal),
                     pltrdy(" ".join(got), " ".join(want))])
    return rows


def make_python(rng):
    """Rounding, sums and whole numbers."""
    rows = []
    for _ in range(400):
        value = rng.choice([rng.random() * 100, rng.randint(0, 100000) / 1000, rng.randint(0, 4000) / 40, rng.random()])
        rows.append(["round", value, round(value, 2), round(value, 1), float(numpy.round(numpy.float64(value), 2))])
    for number in range(300):
        values = [rng.random() for _ in range(rng.choice([1, 5, 8, 13, number, 129, 300] if number % 10 == 0 else [1, 3, 8, 17, 30]))] or [0.5]
        values = [round(v, 3) for v in values]
        rows.append(["mean", values, float(numpy.mean(values)), round(100 * sum(values) / len(values), 2),
                     round(sum(values) / len(values) * 100, 2), sum(values) / len(values)])
    for _ in range(300):
        text = "".join(rng.choice(["1", "0", "7", "_", "-", "+", " ", "３", "١", ".", "x", "\u3000", "12"]) for _ in range(rng.randint(0, 5)))
        try:
            value = str(int(text))
        except ValueError:
            value = None
        rows.append(["int", text, value])
    for _ in range(300):
        text = texts.words(rng, 6, 0.6)
        rows.append(["case", text, text.lower(), text.upper(), text.split(), text.strip()])
    return rows


def main():
    rng = random.Random(5)
    write("pairs.jsonl", make_pairs(rng))
    write("code.jsonl", make_code(rng))
    write("longbench.jsonl", make_longbench(rng))
    write("ruler.jsonl", make_ruler(rng))
    write("infinitebench.jsonl", make_infinitebench(rng))
    load_jieba(write_jieba(rng))
    write("chinese.jsonl", make_chinese(rng))
    write("python.jsonl", make_python(rng))


if __name__ == "__main__":
    sys.exit(main())

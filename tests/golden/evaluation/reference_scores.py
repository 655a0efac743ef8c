"""The rules that no package holds, written from their description (docs/evaluation-scorers.md) on Python's own str and
re. InfiniteBench's are here in both forms."""
import collections
import re
import string

ZH_MARKS = ("！？｡。＂＃＄％＆＇（）＊＋，－／：；＜＝＞＠［＼］＾＿｀｛｜｝～｟｠｢｣､、〃》「」『』【】〔〕〖〗〘〙〚〛〜〝〞〟〰〾〿–—‘’‛“”„‟…‧﹏.")


def english(text):
    text = "".join(c for c in text.lower() if c not in string.punctuation)
    return re.sub(r"\b(a|an|the)\b", " ", text).split()


def chinese(text):
    text = "".join(c for c in text.lower() if c not in string.punctuation and c not in ZH_MARKS)
    return "".join(text.split())


def f1(got, want):
    same = sum((collections.Counter(got) & collections.Counter(want)).values())
    if same == 0:
        return 0.0
    p, r = same / len(got), same / len(want)
    return (2 * p * r) / (p + r)


def share_of_number(prediction, number):
    found = re.findall(r"\d+", prediction)
    return sum(one == number for one in found) / len(found) if found else 0.0


def retrieval(prediction, gold, prefix):
    return share_of_number(prediction, re.findall(prefix + r"(\d+)", gold)[0])


def classification(prediction, gold, classes):
    left = [name for name in classes if name in prediction]
    for name in left:  # removing from the list that is walked, as the official loop does
        if name in gold and name != gold:
            left.remove(name)
    return 1.0 / len(left) if gold in left else 0.0


def code_line(prediction):
    lines = prediction.lstrip("\n").split("\n")
    return next((one for one in lines if not re.search("`|#|//", one)), "")


def indel(first, second):
    if first == second:
        return 100
    if not first or not second:
        return 0
    row = [0] * (len(second) + 1)
    for a in first:
        last = row[:]
        for j, b in enumerate(second, 1):
            row[j] = last[j - 1] + 1 if a == b else max(last[j], row[j - 1])
    return int(round(100 * (2 * row[-1] / (len(first) + len(second)))))


def letter(response):
    plain = response.replace("*", "")
    found = re.search(r"The correct answer is \(([A-D])\)", plain) or re.search(r"The correct answer is ([A-D])", plain)
    return found.group(1) if found else None


def ruler(prediction, references):
    text = re.sub(r"[\x00-\x1f]", "\n", prediction.strip()).strip().lower()
    found = [1.0 if one.lower() in text else 0.0 for one in references]
    return sum(found) / len(found), max(found)


# ---- InfiniteBench. `new`: since August 2024.

def spaced(text, marks):
    return re.sub("[" + re.escape(marks) + "]", " ", text)


def first_digits(prediction, label, new):
    found = re.search("[0-9]+", prediction)
    return label[0] == (found.group(0) if found else "")


def key_value(prediction, label, new):
    return label[0] in spaced(prediction, "\n:\"'.,?!{}").split()


def code_run(prediction, label, new):
    last = spaced(prediction.strip(), "\n.`'\":").split()[-1:]
    try:
        return bool(last) and int(last[0]) == label[0]
    except ValueError:
        return False


def math_find(prediction, label, new):
    found = re.search(r"\d+\.\d+|\d+", prediction)
    try:
        return bool(found) and type(label[0])(found.group(0)) == label[0]
    except ValueError:  # the official script stops here
        return False


def math_calc(prediction, label, new):
    got = [int(one) for one in re.findall("[0-9]+", prediction)]
    right = 0
    for one, other in zip(got, label):
        if one != other:
            break
        right += 1
    return right / len(label)


def after(text, prefixes):
    """None: no prefix; else what stands one character after it, or False when the text ends there."""
    for prefix in prefixes:
        if prefix in text:
            rest = text[text.index(prefix) + len(prefix):]
            return rest[1:] if rest else False
    return None


def code_debug(prediction, label, new):
    name, mark = label
    text = prediction.strip()
    if new:
        found = re.search(r"\b[A-J]\b(?!.*\b[A-J]\b)", text)
        if found and found.group(0) == mark:
            return True
    elif text[:2] in (mark + ".", mark + ":"):
        return True
    text = spaced(text, "\n`'\"-*").replace("Option", " ").replace("option", " ")
    text = re.sub("  +", " ", text)
    if new and text.startswith((mark, name)):
        return True
    rest = after(text, ["answer is:", "is:", "answer:", "correct option is:"])
    return bool(rest is not None and rest is not False and rest.startswith((mark, name)))


def book_choice(prediction, label, new):
    text = prediction.strip()
    if new:
        found = re.search(r"\b[A-D]\b(?!.*\b[A-D]\b)", text)
        if found and found.group(0) in label:
            return True
    if not text:
        return False
    if text[0] in "ABCD":
        return text[0] in label
    if text in label:
        return True
    text = re.sub("  +", " ", spaced(text, "\n\"'.,?!{}"))
    rest = after(text, ["answer is:", "answer:", "answer is", "option is"])
    if rest is not None:
        return rest is not False and rest.startswith(tuple(label))
    for word in text.split():
        if word in "ABCD":
            return word in label
    return False


def dialogue(prediction, label, new):
    if new:
        return any(one.upper() in prediction.strip().upper() for one in label)
    return label[0] in [word.upper() for word in spaced(prediction.strip(), "\n:\"'.,?!{}").split()]


INFINITEBENCH = {"passkey": first_digits, "number_string": first_digits, "kv_retrieval": key_value, "code_run": code_run,
                 "math_find": math_find, "math_calc": math_calc, "code_debug": code_debug,
                 "longbook_choice_eng": book_choice, "longdialogue_qa_eng": dialogue,
                 "longbook_qa_eng": lambda p, l, new: max(f1(english(p), english(one)) for one in l),
                 "longbook_qa_chn": lambda p, l, new: max(f1(chinese(p), chinese(one)) for one in l)}

"""Random texts for make_scores.py: words, punctuation, white space of all kinds, scripts, near-equal pairs."""

WORDS = ("the a an The A AN cat sat on mat and river stone harbour lamp 7 07 42 1912 3.14 x1 foo_bar don't well-known "
         "Emma Quinn's U.S. e.g. THE than another theory a's").split()
ODD = ("İstanbul ΟΔΟΣ Σ straße ẞ ﬁn K café cafe\u0301 a\u0301 n\u0303 naïve 東京 東京都 日本 ١٢ ७ ５ ½ Ⅷ ² _ __ ａ Ａ ǅ "
       "\u200bzero \u00adsoft ΑΣ\u0301 Σ. ΣΑΣ").split(" ")
SPACES = [" ", " ", " ", " ", "  ", "\n", "\t", "\u00a0", "\u3000", "\u2003", "\x1c", "\x85", "\u2028", "\r\n", "\x0b"]
MARKS = list(".,;:!?'\"()[]-/\\`#*&%$@^~|{}<>=+") + ["...", ". ", ".\n", "。", "，", "《", "》", "“", "”", "…", "—", "、"]
HAN = "的一是不了人我在有他这中大来上个国到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可她里后小么心多天而能好都然没"
CODE = ("def main ( ) : return x + 1 if not self . value == other ; // # ` for i in range import os np . zeros [ 0 ] = "
        "None public static void int count ++ { }").split()


def words(rng, most=14, odd=0.15, newline=0.05):
    text = ""
    for _ in range(rng.randint(0, most)):
        text += rng.choice(ODD if rng.random() < odd else WORDS)
        if rng.random() < 0.25:
            text += rng.choice(MARKS)
        text += "\n" if rng.random() < newline else rng.choice(SPACES)
    return text if rng.random() < 0.5 else text.strip()


def changed(rng, text):
    """Nearly the same text."""
    parts = list(text) if rng.random() < 0.5 else text.split(" ")
    glue = "" if parts and len(parts) == len(text) else " "
    for _ in range(rng.randint(0, 4)):
        if not parts:
            break
        at = rng.randrange(len(parts))
        action = rng.random()
        if action < 0.35:
            del parts[at]
        elif action < 0.6:
            parts.insert(at, rng.choice(parts))
        elif action < 0.8:
            parts[at] = rng.choice(WORDS + MARKS)
        else:
            other = rng.randrange(len(parts))
            parts[at], parts[other] = parts[other], parts[at]
    return glue.join(parts)


def pair(rng, make):
    gold = make(rng)
    kind = rng.random()
    if kind < 0.05:
        return gold, gold
    if kind < 0.1:
        return "", gold
    if kind < 0.13:
        return gold, ""
    if kind < 0.6:
        return changed(rng, gold), gold
    return make(rng), gold


def chinese(rng, vocabulary, most=12):
    text = ""
    for _ in range(rng.randint(0, most)):
        kind = rng.random()
        if kind < 0.55:
            text += rng.choice(vocabulary)
        elif kind < 0.75:
            text += "".join(rng.choice(HAN) for _ in range(rng.randint(1, 4)))
        elif kind < 0.85:
            text += rng.choice(["GPT-4", "3.14%", "50%", "a.b", "c#", "x_1", "2023", "1.", "AI", "+#", "T.V", "é", "９"])
        elif kind < 0.95:
            text += rng.choice("，。！？《》“”、；：… .")
        else:
            text += rng.choice(SPACES)
    return text


def code(rng, most=20):
    text = " ".join(rng.choice(CODE) for _ in range(rng.randint(0, most)))
    return " " * rng.choice([0, 0, 4]) + text

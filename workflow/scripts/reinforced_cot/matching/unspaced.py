"""Answers in scripts that write no blanks between words: Chinese, Japanese, Thai, Lao, Khmer and Burmese.

There a sentence is one token, so that its words cannot be compared. A true answer of two characters, or of one
ideograph, may stand within such a token if nothing is left around it but a frame ("这是...的", "...です", "สี...") and
what the question itself says. Everything else makes another answer of it, as in other scripts: a denial ("不是红色"), a
rival ("红色和蓝色"), a longer word ("热狗" for "狗"). The list of frames is short: in a frame that it lacks, an answer
counts as wrong. What the question says never explains

- a denial or an "or", nor what touches the truth where a noun would not: "苹果香蕉" is a list, "赤い車" is not;
- a rival: what it sets beside the truth with an "or", or a word with the same last character ("蓝色" beside "红色");
- anything beside a truth that the question holds itself, or that is a single ideograph.
"""

from collections.abc import Collection, Sequence
from functools import lru_cache

import regex

from reinforced_cot.data.tokens import is_word

_RUN = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\u30fc\u3005]+", regex.VERSION1
)
_IDEOGRAPHIC = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\u30fc\u3005]", regex.VERSION1)
_IDEOGRAPH = regex.compile(r"\p{Han}", regex.VERSION1)
_MARK = regex.compile(r"\p{M}")
_FRAMES = """
    这 那 它 他 她 是 的 了 在 有 个 只 一 条 辆 张 位 里 上 中 图中 图片 图像 画面 颜色 色 答案 看起来 应该 我
    认为 觉得 可以看到 东西 正在 着 呢 啊
    這 個 隻 條 輛 張 裡 圖中 圖片 畫面 顏色 看起來 應該 認為 覺得
    東西 著
    それ これ あれ その この あの は が を に の で です だ である でした よ ね 色 答え と思います に見えます という
    います あります 画像 写真
    มัน คือ เป็น สี นี่ นี้ นั่น นั้น ที่ ใน ของ อยู่ มี ครับ ค่ะ
    คำตอบ ภาพ รูป ตัว คัน อัน ใบ คน เขา เธอ
    ผม ฉัน คิดว่า
    ມັນ ແມ່ນ ສີ ນີ້ ນັ້ນ ມີ ຢູ່ ຄຳຕອບ
    នេះ នោះ គឺ ជា ពណ៌ មាន នៅ វា ចម្លើយ
    ဒါ ဒီ ဟာ က သည် ဖြစ်သည် တယ် ပါတယ် ရှိ အရောင် အဖြေ
"""
FRAMES = frozenset(_FRAMES.split())
_ALL_FRAMES, _LONGEST_FRAME = tuple(sorted(FRAMES)), max(map(len, FRAMES))
# Denials and conjunctions, which no question explains.
_UNEXPLAINED = regex.compile(
    r"[不没沒非无無別别未和或与與跟及]|还是|還是|以及|ない|なく|ません|じゃ|または|それとも|[とや]"
    r"|ไม่|มิใช่|และ|หรือ|กับ|ບໍ່|ແລະ|ຫຼື|មិន|និង|ឬ|မဟုတ်|နှင့်|သို့မဟုတ်"
)
_OR = regex.compile(r"还是|還是|或者|或是|或|それとも|または|หรือ|ຫຼື|ឬ|သို့မဟုတ်")
MAX_CHARACTERS = 100  # of a token that is read: the cost is more than linear in it


def is_unspaced(token: str) -> bool:
    """Whether a token is written in a script without blanks, and so may be a sentence.

    >>> is_unspaced("这是红色的"), is_unspaced("red"), is_unspaced("빨간색")
    (True, False, False)
    """
    return not token.isascii() and _RUN.fullmatch(token) is not None


def is_said_unspaced(
    wanted: Sequence[str], tokens: Sequence[str], question_words: tuple[str, ...], around: Collection[str]
) -> bool:
    """Whether an answer says a true one in a script without blanks.

    Args:
        wanted: the words of the true one. tokens: of the answer. question_words: of the question.
        around: words of other scripts that may stand beside it.

    >>> [is_said_unspaced(["红色"], [said], (), ()) for said in ("这是红色的", "不是红色", "红色和蓝色")]
    [True, False, False]
    >>> is_said_unspaced(["赤い"], ["赤い車です"], ("車は何色",), ()), is_said_unspaced(["狗"], ["热狗"], (), ())
    (True, False)
    """
    truth = wanted[0]
    if len(wanted) > 1 or not is_unspaced(truth) or (len(truth) < 2 and not _IDEOGRAPH.match(truth)):
        return False
    said = [token for token in tokens if is_word(token)]
    holding = [token for token in said if is_unspaced(token) and truth in token]
    return bool(holding) and all(
        _holds(truth, token, question_words)
        if token in holding
        else token in around or is_explained(token, truth, question_words)
        for token in said
    )


def _holds(truth: str, token: str, question_words: tuple[str, ...]) -> bool:
    before, _, after = token.partition(truth)
    # A noun follows its adjective in Chinese and Japanese, and stands before it in the other languages.
    if _IDEOGRAPHIC.match(truth):
        is_apart = not before or before.endswith(_ALL_FRAMES)
    else:
        is_apart = not after or after.startswith(_ALL_FRAMES)
    return is_apart and all(is_explained(part, truth, question_words) for part in (before, after))


def is_explained(text: str, truth: str, question_words: tuple[str, ...]) -> bool:
    """Whether a text in a script without blanks is made of frames and of what the question says, and names no rival.

    >>> is_explained("个", "3", ()), is_explained("蓝色", "红色", ("红色还是蓝色",)), is_explained("cups", "3", ())
    (True, False, False)
    """
    if text.isascii():  # most texts
        return not text
    return len(text) <= MAX_CHARACTERS and is_unspaced(text) and _is_explained(text, truth, " ".join(question_words))


@lru_cache(maxsize=1024)
def _is_explained(text: str, truth: str, question: str) -> bool:
    explaining = _UNEXPLAINED.sub(" ", question) if len(truth) > 1 else ""
    if _IDEOGRAPHIC.match(truth[-1]):  # what ends alike may be of the same kind: "蓝色" and "红色"
        explaining = regex.sub(f"\\w?{truth[-1]}", " ", explaining)
    if rivals := _offered(truth, question):
        if any(rival in text for rival in rivals):
            return False
    elif truth in question:
        explaining = ""
    reached = {0}
    for start in range(len(text)):
        if start not in reached or _MARK.match(text, start):
            continue
        for end in range(start + 1, len(text) + 1):
            piece = text[start:end]
            if piece in FRAMES:
                reached.add(end)
            elif piece in explaining:
                if len(piece) > 1 or _IDEOGRAPH.match(piece):  # a single letter says nothing
                    reached.add(end)
            elif len(piece) > _LONGEST_FRAME:
                break
    return len(text) in reached


def _offered(truth: str, question: str) -> list[str]:
    """What stands beside an "or" of a question, as long as the true answer, where the other side is that answer."""
    offered = []
    for match in _OR.finditer(question):
        left, right = question[: match.start()], question[match.end() :]
        if left.endswith(truth):
            offered.append(right[: len(truth)])
        elif right.startswith(truth):
            offered.append(left[-len(truth) :])
    return [rival for rival in offered if rival]

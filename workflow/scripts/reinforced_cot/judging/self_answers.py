"""Questions that a chain asks itself and answers with yes or no: "Is it red? Yes. Is it blue? No."."""

from collections.abc import Sequence
from itertools import pairwise

from reinforced_cot.data.tokens import ARTICLES, is_word
from reinforced_cot.judging.polar_features import bearing
from reinforced_cot.matching.vocabulary import NO, YES
from reinforced_cot.matching.words import word_set, words
from reinforced_cot.reading.sentences import Sentence, all_stems, content_words, stems

_POSSIBLE = word_set("could can might may would")
_AUXILIARIES = _POSSIBLE | word_set("is are was were does do did has have")
_DETERMINERS = ARTICLES | word_set("this that these those")
_INTERROGATIVES = word_set("what which who whose where how")
_MAX_NAMED = 3  # words of a question without a verb: "Dark red?"


def joined(read: Sequence[Sentence], question: str, is_polar: bool) -> tuple[Sentence, ...]:
    """Sentences in which the chain's own questions and their answers are statements.

    Where a chain asks a yes/no question itself, the yes or no behind it is the answer, and a pair on something else
    ("Is it blue? No.") is left out. Where it asks only in other words, its sentences stay as they are.
    """
    others = _on_other_things(read, question)
    read = [sentence for i, sentence in enumerate(read) if not others.intersection((i, i - 1))] if others else read
    statements = {
        i: statement
        for i, (asked, answer) in enumerate(pairwise(read))
        if asked.text.endswith("?") and (holds := _says(answer)) is not None
        if (statement := _statement(asked.tokens, holds)) is not None
    }
    if not statements:
        return tuple(read)
    unrelated: set[int] = set()
    if is_polar:
        bearings = {i: bearing(statement, question) for i, statement in statements.items()}
        answered = {i for i, found in bearings.items() if found.covered >= 1}
        if not answered:
            return tuple(read)
        for i in answered:
            statements[i] = _sentence([*read[i + 1].tokens[:1], ",", *statements[i].tokens[:-1]])
        unrelated = {i for i, found in bearings.items() if not found.covered and not found.opposite}
    result: list[Sentence] = []
    for i, sentence in enumerate(read):
        if unrelated.intersection((i, i - 1)):
            continue
        if i in statements:
            result.append(statements[i])
        elif i - 1 in statements:
            result.extend(_behind(sentence))
        else:
            result.append(sentence)
    return tuple(result)


def _on_other_things(read: Sequence[Sentence], question: str) -> set[int]:
    """The chain's own open questions with a short answer on other things, where another one is the question's own.

    "How many dogs? Three. How many cats? Two.": the second pair answers nothing about dogs.
    """
    known = all_stems(words(question))
    own = {
        i: content_words(asked.tokens)
        for i, (asked, answer) in enumerate(pairwise(read))
        if asked.text.endswith("?") and not _INTERROGATIVES.isdisjoint(asked.tokens[:1]) and not answer.is_question
    }
    if not any(said and all(not stems(word).isdisjoint(known) for word in said) for said in own.values()):
        return set()
    return {
        i
        for i, said in own.items()
        if any(stems(word).isdisjoint(known) for word in said) and len(read[i + 1].content) <= _MAX_NAMED
    }


def _says(sentence: Sentence) -> bool | None:
    """The yes or no that a sentence begins with."""
    first, after = sentence.tokens[:1], sentence.tokens[1:2]
    if not first or first[0] not in YES | NO or (after and is_word(after[0])):
        return None
    return first[0] in YES


def _statement(tokens: Sequence[str], holds: bool) -> Sentence | None:
    """ "Is the ball red?" as "the ball is red" or "the ball is not red"; None for a question of another form."""
    asked = [token for token in tokens if is_word(token)]
    if asked[-2:] == ["or", "not"]:
        asked = asked[:-2]
    if "or" in asked or not asked:
        return None
    if asked[0] in _AUXILIARIES:
        width = 2 if asked[1:2] and asked[1] in _DETERMINERS else 1
        verb, subject, rest = asked[0], asked[1 : 1 + width], asked[1 + width :]
        if verb in _POSSIBLE and rest[:1] == ["be"]:
            verb, rest = "is", rest[1:]
    elif len(asked) <= _MAX_NAMED:
        verb, subject, rest = "is", ["it"], asked
    else:
        return None
    return _sentence([*subject, verb, *([] if holds else ["not"]), *rest])


def _behind(answer: Sentence) -> list[Sentence]:
    """What an answer says beside its yes or no: "it is red" of "no, it is red"; nothing of "yes, it is"."""
    return [_sentence(answer.tokens[2:-1])] if answer.content and len(answer.tokens) > 3 else []


def _sentence(tokens: Sequence[str]) -> Sentence:
    return Sentence(f"{' '.join(tokens)}.", (*tokens, "."))

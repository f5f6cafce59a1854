"""Words and phrases by which a chain of thought concludes, hedges, takes something back, or leaves a question open."""

import re
from collections.abc import Iterable
from itertools import pairwise

from reinforced_cot.data.tokens import is_word
from reinforced_cot.matching.words import word_set

Phrase = tuple[str, ...]


def _phrases(text: str) -> frozenset[Phrase]:
    return frozenset(tuple(phrase.split()) for phrase in text.replace("\n", " ").split(","))


def phrases_in(tokens: Iterable[str]) -> frozenset[Phrase]:
    """All runs of one to three tokens, to look for the phrases of this module."""
    run = tuple(tokens)
    triples = zip(run, run[1:], run[2:], strict=False)
    return frozenset([*((token,) for token in run), *pairwise(run), *triples])


# What announces a conclusion wherever it stands.
CONCLUDING = _phrases(
    """so,therefore,thus,hence,must be,left with,leaves,settle,settled,going with,go with,going for,go for,choose,
    verdict,conclusion,conclude,answer,final,finally,which means,has to be,have to be,by elimination,in short,in brief,
    all in all,in total,altogether,in all,decide,decided,should be,turns out,after all,result,my vote,that gives,
    that makes,i take,stick,sticking,stay at,inclined,sum,i do pick,convinces,proves"""
)
# What stands before a claim of any strength.
CLAIMING = CONCLUDING | _phrases(
    """goes with,choosing,pick,means,got to be,total,i do say,should say,i do settle,i do choose,i do go,i do take,
    it is,that is,they are,these are,this is,it was,that was,here was,it must,there must,must have,we have,i see,wins,
    winner,vote,gives,makes,stay with,keep,most likely,evidently,clearly,definitely,in fact,i believe,i am sure,
    change my mind to,equals,=,brings,matches,my money,guess,clear,of course,only thing,comes to,leaving,adds up,
    count of,here is,left is,leaves us,so it,so that,what is,is called,is labeled,read as,reads as,identified as,
    appears to be,looks to be"""
)
# What stands behind the thing that a chain settles on.
SETTLING = _phrases(
    """it is,then,wins,gets my vote,for sure,no question,no doubt,without much doubt,without doubt,most likely,is it,
    is my,of course,after all,in all,altogether,in total,by far,obviously,clearly,definitely,is the answer,
    it has to be,it must be,is what,remains,fits,is closest,in brief,in short,was it"""
)
POINTING = _phrases(
    """it is,that is,this is,they are,these are,those are,there is,there are,he is,she is,it was,it must,it has,she has,
    he has,that was,i see"""
)
HEDGES = word_set(
    "might may could maybe perhaps possibly possible if whether wonder either suppose unless would presumably"
)
FIRST_THOUGHTS = _phrases(
    """can be,not sure,at first,first guess,looks like,look like,looked like,i thought,first idea,first thought,
    i first,seemed,1 possibility,first glance,at a glance,first impression,
    i took,took it for,initially,started with,was thinking,resembles,
    thinking of,reminds,tempted to,about to,going to say,was going,comes to mind,first reaction,1 do expect,
    i said,on the face,i had guessed,option 1,option 2,option 3,kind of,to say,rule out,rules out"""
)
_RETRACTING = word_set("wait actually hmm scratch scrap correction but however though yet except sorry retract ah oh")
_RETRACTING_PHRASES = _phrases(
    """hold on,hang on,then again,on second,look again,looking again,not so fast,i was wrong,was wrong,my mistake,
    i correct,should correct,take back,or is it,or does it,let me check,let me look"""
)
CONTRASTS = word_set("but though although however yet while whereas except")
# Words that deny what follows, beside those of `words.negated`.
DENYING = word_set(
    """rules ruled excludes excluded exclude excluding rejects rejected reject discard discarded retract retracted
    scrapped dismiss dismissed unlike skip hardly dont doesnt isnt arent wasnt werent cant couldnt wouldnt didnt
    nobody none nothing"""
)
LOOKALIKES = word_set("imitation fake looking lookalike")  # behind a thing: it is none

# "Do you think ..." is no part of what a question asks.
ASIDE = re.compile(r"\b(?:do|does|did|can) (?:you|we) (?:think|see|believe)\b", re.IGNORECASE)

_UNABLE = (
    r"(?:can(?:not| not|'t|t)|could(?: not|n't)|unable to|(?:not|isn't) possible to|impossible to"
    r"|(?<!not )(?:difficult|hard) to|no way (?:to|of)|won't|not able to|wouldn't|not going to"
    r"|(?:would|do) (?:need|have) to|(?:have|has) no means|there(?:'s| is) no)"
)
_DECIDE = (
    r"(?:determin\w*|answer\w*|verif\w*|confirm\w*|identif\w*|say|tell|telling|make (?:\w+ )?out|decide|read|know|judge"
    r"|see|sure|further|certain|knowing|find out|settle|guess|narrow|choose|show|touch|ask|zoom|find it)"
)
_UNDECIDED = re.compile(
    rf"\b{_UNABLE}\b[^.?!]{{0,40}}?\b{_DECIDE}\b|\bunclear\b|\bundetermined\b"
    r"|\bnot (?:clear|certain|sure|specified|visible|legible|readable)\b|\bisn't (?:visible|something|clear)\b"
    r"|\baren't visible\b|\bno (?:idea|clue) (?:what|which|who|how|where|whether)\b|\bwho knows\b"
    r"|\banything is possible\b|\bnot enough\b|\binsufficient\b|\bundecid|\bambiguous\b|\bno basis\b"
    r"|\btells? (?:me|us) nothing\b|\bnone of (?:this|that|these) (?:tells|settles)\b|\banyone's guess\b|\btoss-?up\b"
    r"|\bleave it\b|\b(?:stays?|remains?) open\b|\bopen question\b|\bdon't know\b|\bdo not know\b|\bunknown\b"
    r"|\bcoin flip\b|\bcould go either\b|\bevidence is balanced\b|\bno hint\b|\bnothing (?:rules|in the|tells|here)\b"
    r"|\bundecidable\b|\b(?:isn't|not|aren't|won't be) shown\b|\bout of view\b|\bas good as mine\b|\bcan't be seen\b"
    r"|\bno evidence\b|\bhides? (?:everything|the rest)\b|\b(?:picture|image|photo) (?:won't|doesn't|does not)\b"
    r"|\bI won't\b|\bboth (?:are|seem) possible\b|\bis missing and\b|\bas it stands\b",
    re.IGNORECASE,
)


def is_undecided(text: str) -> bool:
    """Whether a sentence says that it cannot be known."""
    return _UNDECIDED.search(text.replace("\u2019", "'")) is not None


def is_retracting(tokens: tuple[str, ...], phrases: frozenset[Phrase]) -> bool:
    """Whether a sentence takes back what was said before it: "Wait, ...", "No, ...", "I was wrong"."""
    says_no = tokens[:1] == ("no",) and not is_word("".join(tokens[1:2]) or ".")
    return says_no or not _RETRACTING.isdisjoint(tokens[:3]) or not _RETRACTING_PHRASES.isdisjoint(phrases)

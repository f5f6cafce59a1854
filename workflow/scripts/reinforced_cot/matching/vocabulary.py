"""Words that decide how an answer is read: yes and no, sides, colours, and what may stand around an answer."""

from reinforced_cot.data.tokens import ARTICLES
from reinforced_cot.matching.words import TURNS, word_set

YES, NO = frozenset(("yes", "yeah", "yep", "yup")), frozenset(("no", "nope"))
SIDES = (
    *(("left", "right"), ("top", "bottom"), ("upper", "lower"), ("front", "back", "behind"), ("above", "below")),
    *(("indoors", "outdoors"), ("inside", "outside"), ("open", "closed")),
)
COLORS = word_set(
    """red blue green yellow orange purple pink brown black white gray silver gold golden beige tan cream maroon navy
    teal turquoise violet magenta cyan lime olive"""
)
PRONOUNS = word_set("it that this they he she")
AUXILIARIES = word_set("is are was were be do does did can could will would has have had seem seems appear appears")
# What may stand around an answer without being one.
FRAME = (
    ARTICLES
    | TURNS
    | word_set("""is are was were be been being does do did has have had can could it its he she they him her his their
    them this that these those there here in on at of to from with by for as and both also very so then image picture
    photo photograph scene answer side part appears appear seems seem looks look visible shown seen located positioned
    called named color kind type made wearing think believe i would say just only likely probably clearly""")
)
# "This" and "is" in Hindi, Persian, Arabic and Russian.
_FRAMES = word_set("यह ये वह है हैं این آن است هذا هذه هو هي إنه это")
AROUND = FRAME | word_set("final correct option choice letter result total = \u2192 \u2713 \u2714 \u2705 |") | _FRAMES

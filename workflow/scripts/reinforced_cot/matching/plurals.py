"""Plurals that spelling does not tell: those without an s, and words in -s that are the plural of no other word."""

IRREGULAR = {
    **{"men": "man", "women": "woman", "people": "person", "persons": "person", "children": "child"},
    **{"feet": "foot", "teeth": "tooth", "geese": "goose", "mice": "mouse", "oxen": "ox"},
}
# Without its s, each of these is another word or none: "news" are no several "new". A plural in doubt is left out, but
# for pairs whose two forms name two things that photographs show: glasses on a nose and a glass on a table.
_ALONE = """
    news series species means headquarters crossroads barracks gallows mathematics physics economics politics athletics
    gymnastics electronics aerobics statistics genetics linguistics ethics checkers billiards measles diabetes rabies
    chaos cosmos kudos bias canvas atlas alias lens gas pancreas christmas thanks goods customs manners savings earnings
    woods always sometimes besides perhaps overseas does

    glasses spectacles eyeglasses shorts tights briefs slacks overalls clothes

    james charles thomas lucas nicholas douglas jonas elias tobias matthias andreas hans jens lars niels nils
    giles jules williams adams jones evans edwards hughes roberts phillips peters richards stevens stephens
    daniels michaels andrews collins jenkins perkins watkins hawkins rogers myers sanders simmons jacobs matthews

    texas kansas arkansas dallas vegas honduras bahamas wales naples athens brussels mars mercedes adidas starbucks
    asics hermes walgreens lexus prius
"""
NO_PLURALS = frozenset(_ALONE.split())

"""The version of the scoring rules, which eval.json names: scores of different versions are not comparable.

A unit test pins it together with a hash of the rules' code, so that no change of them goes unnoticed.
"""

# 2: listed options, signs, units, inner punctuation, combining marks, numbers in words
# 3: chains in free words are judged by their last sentences, with fitted weights
# 4: denials behind an answer ("blue is not the color"); "there is a cat" answers no question about dogs
# 5: comparisons in other words ("the plate is smaller" for "the cup is larger"), exclusions, sums, counts of other
#    things, shares of a whole, labels within a line, questions that a chain answers itself
# 6: answers of a named kind (`answers`): numbers with a tolerance, mathematics, boxes, lists, sets,
#    VQAv2's soft score
RULES = 6

"""The rule that selects from a review the sentence that explains the rating: an opinion on a feature.

A sentence is a candidate if it has 4 to 30 words, at least one *pair*, and some word that the item's title lacks. A
pair is an opinion word and a word that can name a feature, at most three words apart without punctuation between
them; a word belongs to at most one pair. The candidate with the most pairs is selected, the first one on ties.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from data_prep.metadata import without_markup

SHORTEST, LONGEST = 4, 30
"""Numbers of words of a sentence; 30 is also the limit of the UniMP authors' code."""

REACH = 3
"""Maximum distance in words of an opinion and its feature."""

_LIKERS = "i we they you he she do don't didn't did not really also would always absolutely actually"
LIKERS = frozenset(_LIKERS.split())
"""Words after which *like* is an opinion, not a comparison."""

PRAISE = """
    good great nice fine excellent wonderful fantastic amazing awesome perfect ideal superb brilliant terrific
    outstanding exceptional fabulous incredible marvelous impressive remarkable splendid lovely beautiful gorgeous
    pretty cute adorable elegant stylish attractive charming classy sleek stunning handsome delightful pleasant
    better best finest nicer prettier cuter favorite favourite love loves loved loving enjoy enjoys enjoyed enjoying
    likes liked adore adores pleased happy glad thrilled satisfied impressed delighted grateful excited like
    recommend recommended recommends appreciate appreciated easy easier easiest easily simple simpler effortless
    convenient conveniently handy useful helpful practical versatile flexible compact lightweight portable foldable
    adjustable reusable sturdy solid durable strong robust rugged tough reliable dependable trustworthy secure safe
    safely stable comfortable comfy cozy soft softer smooth gentle snug fluffy warm roomy spacious fast faster quick
    quickly quicker prompt promptly instant instantly speedy timely efficient efficiently cheap cheaper affordable
    inexpensive reasonable reasonably fair bargain worth worthwhile free delicious tasty yummy fresh flavorful
    crispy crunchy juicy creamy healthy refreshing savory fun funny entertaining exciting interesting engaging
    addictive educational creative clever cool playful clean cleaner clear clearly crisp bright vivid sharp accurate
    precise quiet silent effective powerful perfectly nicely beautifully wonderfully flawlessly smoothly correctly
    properly well thoughtful generous friendly polite courteous professional genuine authentic superior premium
    correct generously compliments thanks addicting yum bonus genius hit winner flawless effortlessly gem
"""

BLAME = """
    bad worse worst poor poorly terrible horrible awful dreadful lousy mediocre inferior subpar cheaply flimsy
    fragile brittle weak loose wobbly shaky unstable thin rough scratchy itchy stiff uncomfortable disappointing
    disappointed disappointment disappoints dissatisfied unhappy unsatisfied frustrated frustrating annoying annoyed
    irritating upset angry hate hates hated dislike dislikes disliked regret regretted broke broken breaks breaking
    cracked crack cracks torn tore ripped bent leaked leaks leaky leaking rusty rusted faded fades peeled peeling
    chipped scratched stained damaged dented defective faulty useless worthless pointless difficult harder
    impossible complicated confusing tricky awkward clumsy inconvenient cumbersome bulky heavy slow slowly slower
    late delayed noisy loud louder squeaky blurry dim dull faint unclear inaccurate expensive overpriced pricey
    costly waste wasted ripoff scam fraud fake misleading deceptive ugly tacky gaudy boring bland tasteless stale
    bitter salty greasy smelly stinky stinks disgusting nasty gross dangerous unsafe toxic harmful greedy rude
    unhelpful unprofessional smaller shorter larger bigger tight tighter wider missing incomplete wrong incorrect
    problem problems issue issues complaint complaints trouble failed fails fail failure stopped sadly unfortunately
    lacks lacking lacked silly odd weird strange
"""

FUNCTION_WORDS = """
    a an the this that these those it its he she they them him her his hers their theirs we us our ours you your
    yours i me my mine myself yourself himself herself itself ourselves themselves who whom whose which what when
    where why how and or but nor so yet if then else than because since while although though unless until till
    before after during about above across against along among around as at by down for from in inside into near of
    off on onto out outside over past per through throughout to toward towards under up upon via with within without
    am is are was were be been being do does did doing done have has had having can could will would shall should
    may might must cannot dont didnt doesnt wont cant isnt wasnt couldnt wouldnt ive im not no never none nothing
    nobody neither either both each every all any some few many much more most several such same other others
    another own only just even also too very really quite rather pretty enough almost nearly absolutely totally
    completely extremely highly super truly definitely certainly probably maybe perhaps always often usually
    sometimes ever again already still soon now here there once twice first second third last next one ones two
    three four five six seven eight nine ten half lots lot bit little kind sort etc like well however anyway
    otherwise instead especially actually basically literally honestly personally overall simply exactly
    particularly mostly mainly slightly somewhat fairly less least back away together ago later early yes ok okay oh
    wow hey please thank hi bye lol omg
"""

COMMON_VERBS = """
    buy buys bought buying purchase purchased purchases purchasing get gets got gotten getting give gives gave given
    giving take takes took taken taking make makes made making go goes went gone going come comes came coming put
    puts putting say says said saying tell tells told telling ask asked asks know knows knew known think thinks
    thought thinking guess believe hope hoped hoping wish wished want wants wanted wanting need needs needed try
    tries tried trying see sees saw seen seeing find finds found finding keep keeps kept keeping let lets leave left
    seem seems seemed become became order orders ordered ordering receive received receives receiving send sends
    sent sending expect expected expecting decide decided read reading write wrote written happen happened start
    started starting stop return returned returning change changed turn turned show showed shown call called wait
    waited waiting help helped spend spent pay paid use used uses using look looked looking feel felt work worked
    had ended end reviewed mention mentioned considering consider compared forgot forget remember remembered
    supposed able
"""

PEOPLE = """
    husband wife mom mum mother dad father parents parent son sons daughter daughters brother brothers sister
    sisters kid kids child children baby grandson granddaughter grandkids grandchildren grandma grandmother grandpa
    nephew niece nephews nieces cousin uncle aunt friend friends boyfriend girlfriend family teacher teachers
    neighbor neighbour boss coworker people person everyone everybody anyone anybody someone somebody guy guys girl
    girls boy boys man men woman women lady ladies teen teens teenager teenagers adult adults folks hubby recipient
    recipients law moms dads wives husbands students student guests coworkers pal pals
"""

MOMENTS = """
    time times day days week weeks month months year years hour hours minute minutes second seconds today yesterday
    tomorrow tonight morning evening night weekend monday tuesday wednesday thursday friday saturday sunday january
    february march april may june july august september october november december spring summer fall autumn winter
    christmas xmas easter birthday holiday holidays
"""

VAGUE = """
    product products item items thing things stuff purchase something anything everything star stars review reviews
    amazon deal choice idea job place world life reason fact case point example part
"""

OPINIONS = frozenset((PRAISE + BLAME).split())
NO_FEATURES = frozenset((FUNCTION_WORDS + COMMON_VERBS + PEOPLE + MOMENTS + VAGUE).split())
"""Any other word can name a feature, so that every domain has its own ones, from *colour* to *ice cream*."""

_OPINIONS = frozenset(word.encode() for word in OPINIONS)
_SPACED = bytes(code if chr(code).isalnum() and code < 128 else 32 for code in range(256))
_TOKEN = re.compile(r"[a-z]+(?:['-][a-z]+)*|[0-9]+|[.,;:()!?]")
_MARKS = re.compile(r"[.!?\r\n][.!?\r\n]*[\"')\]]*\s*")
_TITLE = re.compile(r"(?:^|[\s(])(?:[A-HJ-Z]|Mr|Mrs|Ms|Dr|St|vs)$")
_ABBREVIATION = re.compile(r"(?:^|[\s(])(?:[a-z]\.[a-z]|oz|lbs?|ft|in|no|approx|incl)$", re.IGNORECASE)
_WINDOW = 8
"""Characters before a full stop: more than in an abbreviation, so that a match never starts inside a word."""


def explaining_sentence(text: str, title: str = "") -> str | None:
    """The cleaned sentence of a review that explains its rating; None if there is none.

    Args:
        text: the review.
        title: title of the item; a sentence that only repeats it explains nothing.
    """
    best, best_pairs = None, 0
    for sentence in sentences(text):
        if _max_pairs(sentence) <= best_pairs:  # a fast check that excludes most sentences
            continue
        tokens = tokenize(sentence)
        pairs = count_pairs(tokens)
        if pairs > best_pairs and _is_fit(tokens, title):
            best, best_pairs = sentence, pairs
    return best and clean(best)


def _max_pairs(sentence: str) -> int:
    """Upper bound of the number of pairs: the number of opinion words, regardless of punctuation."""
    words = sentence.encode("ascii", "replace").lower().translate(_SPACED).split()
    return sum(map(_OPINIONS.__contains__, words)) if SHORTEST <= len(words) <= 3 * LONGEST else 0


def _is_fit(tokens: list[str], title: str) -> bool:
    """Whether a sentence has the right length and says more than the title."""
    words = {token for token in tokens if token[0].isalnum()}
    return SHORTEST <= sum(token[0].isalnum() for token in tokens) <= LONGEST and not words <= set(tokenize(title))


def tokenize(text: str) -> list[str]:
    """Words, numbers and punctuation marks in lower case."""
    tokens: list[str] = _TOKEN.findall(text.lower().replace("\u2019", "'"))
    return tokens


def count_pairs(tokens: list[str]) -> int:
    """Number of pairs of an opinion and a feature; each opinion takes the nearest free feature."""
    taken: set[int] = set()
    for place, word in enumerate(tokens):
        if word in OPINIONS and _is_meant(tokens, place):
            feature = _feature_near(tokens, place, taken)
            if feature is not None:
                taken.add(feature)
    return len(taken)


def _feature_near(tokens: list[str], place: int, taken: set[int]) -> int | None:
    """The free feature nearest to a word without punctuation between them, on ties the one after it."""
    sides = [1, -1]
    for distance in range(1, REACH + 1):
        for side in tuple(sides):
            step = place + side * distance
            if not 0 <= step < len(tokens) or not tokens[step][0].isalnum():
                sides.remove(side)
            elif step not in taken and _names_feature(tokens[step]):
                return step
    return None


def _is_meant(tokens: list[str], place: int) -> bool:
    """Whether a possible opinion word is one in its context: not *looks like*, *as well* or *pretty big*."""
    word, before = tokens[place], tokens[place - 1] if place else ""
    if word == "like":
        return before in LIKERS
    if word == "well":
        return before != "as"
    return word != "pretty" or not OPINIONS.issuperset(tokens[place + 1 : place + 2])


def _names_feature(word: str) -> bool:
    return len(word) > 2 and word[0].isalpha() and "'" not in word and word not in NO_FEATURES and word not in OPINIONS


def sentences(text: str) -> Iterator[str]:
    """The sentences of a review in order and in their original form; ``clean`` makes each one line.

    A sentence ends at a full stop, a question or an exclamation mark followed by a space, at several of them
    before a capital, before a capitalised word even without a space, and at the end of a line; but not
    after an initial or a title (*Mr. Smith*), nor after an abbreviation unless a capital follows (*16 oz. bottle*).
    """
    text = without_markup(text, gap="\n")
    start = 0
    for marks in _MARKS.finditer(text):
        if _ends_sentence(text, start, marks):
            yield text[start : marks.end()]
            start = marks.end()
    if start < len(text):
        yield text[start:]


def clean(text: str) -> str:
    """One line of printable characters with single spaces."""
    text = " ".join(text.split())
    if text.isprintable():
        return text
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


def _ends_sentence(text: str, start: int, marks: re.Match[str]) -> bool:
    found, behind = marks[0], text[marks.end() : marks.end() + 2]
    if "\n" in found or "\r" in found:
        return True
    if not found[-1].isspace():  # "great gift.Love it", but not "4.5", "amazon.com" or "e.g."
        return text[marks.start() - 1 : marks.start()].islower() and behind.istitle() and len(behind) == 2
    if len(found.rstrip("\"')] \t")) > 1:  # not "so... good", but "so good!!! Love it"
        return behind[:1].isupper() or "." not in found
    if found[0] != ".":
        return True
    before = text[max(start, marks.start() - _WINDOW) : marks.start()]
    return not _TITLE.search(before) and (behind[:1].isupper() or not _ABBREVIATION.search(before))

"""Numbers and words that look like a date and are none: models, titles, counts, styles."""

from __future__ import annotations

from imgsearch import gazetteer
from imgsearch.phrases import date_words, deciding_words, named_years
from imgsearch.phrases.dates import Written
from imgsearch.phrases.tokens import Line, Token

NAMED_BY_YEAR = frozenset(deciding_words.NAMED_BY_YEAR.split())
MAKES = frozenset(deciding_words.MAKES.split())
MAKES_UNSPACED = [make for make in MAKES if make[0] > "\u3040"]  # its tokens are single letters
NUMBERED = frozenset(deciding_words.NUMBERED.split())
NUMBERED_ALONE = frozenset(deciding_words.NUMBERED_ALONE.split())
COUNTED = frozenset(deciding_words.COUNTED.split())
PICTURES = frozenset(deciding_words.JOURNEYS.split())
FROM = frozenset(date_words.phrases(date_words.FROM + " of aus au des"))
SMALL_WORDS = frozenset(deciding_words.SMALL_WORDS.split())
TITLES = frozenset(["1917", "1941", "1984", "2001", "2012"])  # whole lines that are books and films
ARTISTS = frozenset(deciding_words.ARTISTS.split())
PARTING = frozenset(f"{deciding_words.PARTING} {deciding_words.AT}".split())
NUMBER_ENDINGS = ("nummer", "number", "numero", "numer")  # Hausnummer
EARLY = 1900  # an earlier year without a preposition is a model's or an event's
SUNG = frozenset(["day word", "relative", "year", "month"])  # kinds of dates that songs are called
SIGNS = frozenset("$€£¥#№%°+*=@&")


def is_date(line: Line, first: int, last: int, written: Written) -> bool:
    """Whether the tokens [first, last) of `line` are a date and no part of something else."""
    tokens = line.tokens
    before = tokens[first - 1] if first else None
    after = tokens[last] if last < len(tokens) else None
    if _sign(before) or _sign(after) or _tied(tokens[first], before, after):
        return False
    alone = first == 1 and last == len(tokens)
    if before and before.raw == "." and first > 1:
        before = tokens[first - 2]  # no. 2004
    figures = tokens[first].raw[0].isdigit()
    numbered = figures and before and not written.led and _is_numbered(before)
    numbered = numbered or (figures and alone and before and before.folded in NUMBERED_ALONE)
    if numbered or _possessive(line, first):
        return False
    if _possessive(line, last + 2):
        return False  # today's special
    if written.led and _is_no_lead(line, first, last):
        return False
    named_by_year = before and before.folded in NAMED_BY_YEAR - PICTURES
    if named_by_year and tokens[first].folded in FROM:
        return False  # a movie from 1999
    if first == 0 and written.kind in SUNG and _sung(line, last):
        return False  # "yesterday by the beatles", "last christmas wham"
    if written.kind == "year" and not written.led:
        return _bare_year(line, first, last, before, after)
    if written.kind == "month" and any(token.raw == "Marco" for token in tokens[first:last]):
        return False  # a man; "março" in Portuguese
    if tokens[first].raw == "I" and tokens[last - 1].folded in ("may", "march"):
        return False  # "i" is "this" in Danish
    if written.kind == "season" and first and tokens[first].capital and _of_make(line, first, last):
        return False  # Vespa Primavera 1968
    if first and tokens[first].raw == "Estate":
        return False  # Harlan Estate 2001
    if written.kind == "year" and len(tokens[first].raw) == 1 and _of_make(line, first, last):
        return False  # "z" is "from" in Polish, and part of a name: Nikon Z 2024
    if written.kind == "year" and _of_many(tokens, first, after):
        return False  # a box of 2000 staples
    if written.kind == "year":
        return not (after and after.folded in COUNTED | NAMED_BY_YEAR)
    if written.kind == "decade":
        return _decade(before, after, written.led)
    if written.kind == "day word":
        return _day_word(line, first, last) and not _saying(tokens[first], before)
    return not (after and after.folded in NAMED_BY_YEAR and written.kind == "relative")


def _is_numbered(before: Token) -> bool:
    return before.folded in NUMBERED or before.folded.endswith(NUMBER_ENDINGS)


def _is_no_lead(line: Line, first: int, last: int) -> bool:
    """Whether what leads into the date is a part of a name, "Traction Avant 1938", an abbreviation,
    "EN 1995", or "no", which is no preposition but before a Portuguese season."""
    lead = line.tokens[first]
    if not lead.raw[0].isupper():
        return lead.folded == "no" and last - first == 2
    return first > 0 or (len(lead.raw) > 1 and lead.raw.isupper() and last == len(line.tokens))


def _possessive(line: Line, at: int) -> bool:
    """Whether the two tokens before `at` are "'s": after "women's", March is a walk, no month."""
    if not 2 <= at <= len(line.tokens):
        return False
    return line.tokens[at - 1].folded == "s" and line.tokens[at - 2].raw in "'’"


def _bare_year(
    line: Line, first: int, last: int, before: Token | None, after: Token | None
) -> bool:
    if _beside(line, first, last) & NAMED_BY_YEAR or (after and after.folded in COUNTED):
        return False
    if int(line.tokens[first].folded) < EARLY or _of_make(line, first, last):
        return False
    year = line.tokens[first].folded
    if year in TITLES and len(line.tokens) == 1:
        return False
    counts = after is not None and after.raw.isalpha() and not after.capital
    if year.endswith("000") or (year.endswith("00") and counts):
        return False  # Death Race 2000, 1900 candles
    if _within_name(before, after):
        return False
    if after and after.folded in {"by", "von", "par", "por", "di"} and before is None:
        return False  # a title such as "1984 by Orwell"
    return not named_years.is_of_model(line, first, last)


def _of_many(tokens: list[Token], first: int, after: Token | None) -> bool:
    """Whether "of" and a word after it make a count of the year: not in "photos of 2015"."""
    said = first and tokens[first].folded in {"of", "von", "de", "di", "van", "из"}
    counts = after is not None and after.raw.isalpha() and after.folded not in SMALL_WORDS
    return bool(said and counts and tokens[first - 1].folded not in PICTURES)


def _of_make(line: Line, first: int, last: int) -> bool:
    words = _beside(line, first, last)
    return bool(words & MAKES) or any(make in line.text for make in MAKES_UNSPACED)


def _beside(line: Line, first: int, last: int) -> set[str]:
    """The words that the date may go with: not those before a comma or a preposition of place, as
    in "Boeing 747 in Frankfurt, 2016"."""
    begin = first
    while begin and not _parts(line.tokens[begin - 1]):
        begin -= 1
    place = line.text[line.tokens[begin].start : line.tokens[first].start].strip()
    if begin and place and line.tokens[begin - 1].raw.isalpha() and gazetteer.find(place):
        begin = first  # wine tasting in Bordeaux 2018
    stop = last
    while stop < len(line.tokens) and not _parts(line.tokens[stop]):
        stop += 1
    return {token.folded for token in line.tokens[begin:first] + line.tokens[last:stop]}


def _parts(token: Token) -> bool:
    return token.raw in ",;，、" or (len(token.raw) > 1 and token.folded in PARTING)


def _within_name(before: Token | None, after: Token | None) -> bool:
    """Whether a year stands within a name: "Stratocaster 1962 reissue", not "beach 2019 at noon"
    or "beach 2019 italy"."""
    if before is None or not before.raw.isalpha() or before.unspaced or after is None:
        return False
    if not after.raw.isalpha() or after.capital or after.unspaced or after.folded in SMALL_WORDS:
        return False
    place = before.capital and gazetteer.find(before.folded)  # Berlin 2022 concert
    return not (place or gazetteer.find(after.folded))


def _decade(before: Token | None, after: Token | None, led: bool) -> bool:
    """ "90s music" and "80s haircut" are styles: a decade stands at the end, or has "in the"."""
    if after is None or not after.raw.isalpha():
        return True
    return led and after.folded not in deciding_words.STYLES.split()


def _day_word(line: Line, first: int, last: int) -> bool:
    """ "yesterday" at either end of the line, in lower case, is a day; "USA Today" is a paper."""
    word = line.tokens[first]
    if first and word.raw[0].isupper():
        return False
    others = [token for token in line.tokens[:first] + line.tokens[last:] if token.raw.isalpha()]
    titled = others and all(token.raw[0].isupper() for token in others)
    if any(token.folded in NAMED_BY_YEAR for token in others):
        return False
    if titled and word.raw[0].isupper():
        return False
    if last == len(line.tokens):
        return True
    following = line.tokens[last]  # "today is a gift" tells of no day, "yesterday in town" does
    goes_on = following.folded in SMALL_WORDS or not following.raw[0].isalnum()
    return first == 0 and (goes_on or not word.raw.isascii())


def _sung(line: Line, at: int) -> bool:
    """Whether nothing but the name of a singer, a band or a writer stands from token `at` on."""
    words = [token.folded for token in line.tokens[at:] if token.raw.isalnum()]
    while words and words[0] in deciding_words.BY.split():
        words.pop(0)
    return "_".join(words) in ARTISTS


def _saying(first: Token, before: Token | None) -> bool:
    """ "Schnee von gestern" is a saying, "Fotos von gestern" a question."""
    of = first.folded in {"von", "van", "d", "de", "di"}
    return of and before is not None and before.folded not in PICTURES


def _sign(token: Token | None) -> bool:
    return token is not None and token.raw in SIGNS


def _tied(first: Token, before: Token | None, after: Token | None) -> bool:
    """Whether a sign without a space ties the date to more: A-2019, 2019_x."""
    ahead = before is not None and first.glued and before.raw in "-_/."
    behind = after is not None and after.glued and after.raw in "-_/"
    return ahead or behind

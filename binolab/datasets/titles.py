"""Which work does a title name? One work, many spellings.

MAESTRO lists a performance by composer and title, and the titles were typed by many hands:
"Prelude and Fugue in C-sharp Major, WTC I, BWV 848" is also "... in D-flat Major, WTC I",
"Etude Op. 10 No. 8 in F Major" is also "Etudes Op. 10 Nos. 8". A work is named here by its composer
and what identifies it best:

1. a prelude and fugue of Bach's Well-Tempered Clavier: by book and key, which are typed wrong less
   often than the number (the list has an A minor of book II as BWV 847, which is one of book I);
2. else every opus number in the title, with its item (a title may name several works); where
   there is none, every number of a catalogue (BWV, K., D., S., Hob., ...);
3. else Bach's English and French Suites and Partitas: by their place in the set;
4. else the title's words, without case, accents, punctuation, "the", "complete" and a movement.

A movement counts as its work. An arrangement is another work than its original, because its
composers are listed otherwise. Two titles of one work that share neither number nor words stay two.
What is typed wrong in the list is believed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

Work = tuple  # the composer, then what names the work: a catalogue, a number, an item

BACH = "johann sebastian bach"
SETS = {"english suite": 806, "french suite": 812, "partita": 825}  # BWV of the first of six
SEMITONES = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
ALSO = {("domenico scarlatti", "l", 33): ("domenico scarlatti", "k", 87)}  # heard in the files

CLAVIER = re.compile(
    r"\bin ([a-g])(?:[ -]+(sharp|flat))?[ -]+(major|minor)\b.*\b(?:wtc|wtk|book) +(ii?|[12])\b"
)
SUITE = re.compile(rf"\b({'|'.join(SETS)})s?,? +(?:no +)?([1-6])\b")
NUMBER = re.compile(
    r"\b(op|bwv|hwv|rv|woo|k ?v?|d|l|s) *(\d+)(?![0-9])"
    r"(?:(?: */ *|[ ,]*\bno +)(\d+\b(?: *(?:,|-|and) *\d+\b)*))?"
)
HOBOKEN = re.compile(r"\bhob +([ivx]+) *[:/]? *(\d+)\b")
MOVEMENT = re.compile(r"[,:-] *[ivx]+\b.*$")


def fold(text: str) -> str:
    """Lower case, no accents, one spelling of sharp, flat, opus and number; keeps , : / and -."""
    text = unicodedata.normalize("NFKD", text.replace("♯", " sharp").replace("♭", " flat"))
    text = "".join(c for c in text if not unicodedata.combining(c)).casefold()
    text = re.sub(r"(?<=\b[a-g])#", " sharp", text)
    text = re.sub(r"#(?= *\d)", " no ", text).replace("&", " and ")
    text = re.sub(r"['’‘`]", "", text)
    text = re.sub(r"\b(?:opus|op)\b[. ]*(?=\d)", "op ", text)
    text = re.sub(r"\b(?:numbers?|nos?|nr)\b[. ]*(?=\d)", "no ", text)
    return " ".join(re.sub(r"[^\w,:/-]|_", " ", text).split())


def works(composer: str, title: str) -> frozenset[Work]:
    """The works that a performance is of, by composer and title as MAESTRO lists them. Never empty.

    A work begins with the composer, folded. ("frederic chopin", "op", 10, 8) is a part of
    ("frederic chopin", "op", 10).
    """
    by, text = fold(composer), fold(title)
    if by == BACH:
        clavier = CLAVIER.search(text)
        if clavier and "prelude" in text:
            letter, sign, mode, book = clavier.groups()
            key = (SEMITONES[letter] + {"sharp": 1, "flat": -1}.get(sign, 0)) % 12
            first = 846 if book in ("i", "1") else 870
            return frozenset({(by, "bwv", first + 2 * key + (mode == "minor"))})
    keys: set[Work] = {(by, f"hob {book}", int(number)) for book, number in HOBOKEN.findall(text)}
    for catalogue, number, items in NUMBER.findall(text):
        whole = (by, "k" if catalogue[0] == "k" else catalogue, int(number))
        keys |= {(*whole, item) for item in _items(items)} or {ALSO.get(whole, whole)}
    keys = {key for key in keys if key[1] == "op"} or keys
    if not keys and by == BACH and (suite := SUITE.search(text)):
        keys = {(by, "bwv", SETS[suite[1]] + int(suite[2]) - 1)}
    if not keys:
        words = re.findall(r"\w+", MOVEMENT.sub("", text))
        keys = {(by, " ".join(w for w in words if w not in ("the", "complete")))}
    return frozenset(keys)


def _items(text: str) -> set[int]:
    """The numbers that "2, 5-7 and 9" names."""
    items: set[int] = set()
    for first, last in re.findall(r"(\d+)(?: *- *(\d+))?", text):
        items |= set(range(int(first), min(int(last or first), int(first) + 99) + 1))
    return items


class Held:
    """Works that are held out, to ask of others whether they share music with them."""

    def __init__(self, keys: Iterable[Work]):
        self.keys = set(keys)
        self.wholes = {key[:3] for key in self.keys}  # "Op. 25" of "Op. 25 No. 5"

    def touch(self, keys: Iterable[Work]) -> bool:
        """Whether one of `keys` is held, is a part of one held, or has a part that is held."""
        return any(k in self.keys or k[:3] in self.keys or k in self.wholes for k in keys)

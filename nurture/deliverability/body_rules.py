"""Rules about what the reader sees: two parts that agree, images with words, nothing that runs."""

from __future__ import annotations

import re

from nurture.deliverability.letter import Letter
from nurture.deliverability.rules import Rule, Seen, several

MAX_HTML = 102 * 1024  # Gmail shows no more, and hides the unsubscribe link below
WORDS_PER_IMAGE = 20
LEAST_ALIKE = 0.6
MAX_PREHEADER = 150
_WORD = re.compile(r"[^\W\d_]{4,}")


def _two_parts(letter: Letter) -> Seen:
    missing = [name for name, part in (("text/plain", letter.text), ("text/html", letter.html)) if part is None]
    return Seen(not missing, f"no {' and no '.join(missing)}" if missing else "both")


def _text_not_empty(letter: Letter) -> Seen | None:
    if letter.text is None:
        return None
    words = len(letter.text.split())
    return Seen(words >= 5, f"{words} words")


def _utf8(letter: Letter) -> Seen | None:
    wrong = [
        f"{part.subtype} in {part.charset}"
        for part in letter.parts
        if part.charset not in ("utf-8", "us-ascii", "utf8")
    ]
    wrong += [f"{part.subtype} that is not {part.charset}" for part in letter.parts if not part.readable]
    return Seen(not wrong, several(wrong) if wrong else "UTF-8") if letter.parts else None


def _same(letter: Letter) -> Seen | None:
    if letter.text is None or letter.html is None:
        return None
    shown = set(_WORD.findall(letter.view.words.casefold()))
    if not shown:
        return Seen(not _WORD.search(letter.text), "the HTML part shows no words")
    share = len(shown & set(_WORD.findall(letter.text.casefold()))) / len(shown)
    return Seen(share >= LEAST_ALIKE, f"{share:.0%} of the words of the HTML part stand in the text part")


def _size(letter: Letter) -> Seen | None:
    if letter.html is None:
        return None
    size = len(letter.html.encode("utf-8", "replace"))
    return Seen(size < MAX_HTML, f"{size / 1024:.1f} KB of {MAX_HTML // 1024}")


def _preheader(letter: Letter) -> Seen | None:
    if letter.html is None or not letter.marketing:
        return None
    length = len(letter.view.preheader.strip("\u200c\u00a0\u034f \u200b\ufeff\u00ad"))
    return Seen(0 < length <= MAX_PREHEADER, f"{length} characters")


def _alt(letter: Letter) -> Seen | None:
    images = [image for image in letter.view.images if not image.unseen]
    wrong = sum(image.alt is None for image in images)
    return Seen(not wrong, f"{wrong} of {len(images)} images without") if images else None


def _ratio(letter: Letter) -> Seen | None:
    images = sum(not image.unseen for image in letter.view.images)
    if not images:
        return None
    words = len(letter.view.words.split())
    return Seen(words >= WORDS_PER_IMAGE * images, f"{words} words and {images} images")


def _pixel(letter: Letter) -> Seen | None:
    if letter.html is None:
        return None
    found = sum(image.unseen for image in letter.view.images)
    if found and letter.given.pixel_allowed:
        return Seen(True, f"{found}, allowed")
    return Seen(not found, f"{found} unseen images")


def _active(letter: Letter) -> Seen | None:
    if letter.html is None:
        return None
    found = list(dict.fromkeys(letter.view.active))
    return Seen(not found, several(found) if found else "none")


RULES: tuple[Rule[Letter], ...] = (
    Rule(
        "two-parts", "must", "a text/plain and a text/html part", "send both parts as multipart/alternative", _two_parts
    ),
    Rule(
        "text-not-empty",
        "must",
        "a text part with words in it",
        "write the text part; some readers and all filters read it",
        _text_not_empty,
    ),
    Rule("utf-8", "should", "parts in UTF-8, and truly so", "write both parts as UTF-8", _utf8),
    Rule(
        "parts-agree",
        "should",
        f"a text part that has {LEAST_ALIKE:.0%} of the words of the HTML part",
        "let both parts say the same; filters compare them",
        _same,
    ),
    Rule(
        "html-size",
        "must",
        f"an HTML part under {MAX_HTML // 1024} KB, after which Gmail clips",
        "shorten the mail, or take styles and comments out",
        _size,
    ),
    Rule(
        "preheader",
        "should",
        f"a hidden first line of at most {MAX_PREHEADER} characters, shown beside the subject",
        "give the e-mail a `preheader`",
        _preheader,
    ),
    Rule(
        "images-alt",
        "should",
        "an alternative text on every image",
        'write alt="..." on each image, an empty one on ornaments',
        _alt,
    ),
    Rule(
        "image-ratio",
        "should",
        f"at least {WORDS_PER_IMAGE} words an image",
        "say in words what the images say",
        _ratio,
    ),
    Rule(
        "tracking-pixel",
        "should",
        "no unseen image, unless --allow-pixel",
        "leave the pixel out; opens are no sign of life, and many readers' law asks for consent",
        _pixel,
    ),
    Rule(
        "no-active-content",
        "must",
        "no script, form, frame, object, handler or refresh",
        "remove it: mail programs do not run it, filters refuse it",
        _active,
    ),
)

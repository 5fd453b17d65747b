"""Extracts data/public-domain.txt from an unpacked Debian package of the SQLite documentation.

The pages are in the public domain (see data/SOURCES.md). Only prose is kept: paragraphs of whole sentences in plain
ASCII, without tables, code or headings. Run by hand, once; the result is in git.

    python3 extract_text.py FOLDER_OF_HTML_PAGES > data/public-domain.txt
"""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

PAGES = (
    "about whentouse serverless selfcontained zeroconf transactional different features famous hirely lts mostdeployed onefile "
    "appfileformat fasterthanfs howtocorrupt isolation tempfiles whynotgit queryplanner security quirks autoinc floatingpoint"
).split()
ASCII = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-", "\u2014": " - ", "\u00a0": " "})


class Paragraphs(HTMLParser):
    """Collects the text of <p> elements; everything inside <pre>, <table>, <script> and lists of links is skipped."""

    def __init__(self):
        super().__init__()
        self.paragraphs, self.text, self.skipped = [], None, 0

    def handle_starttag(self, tag, attributes):
        if tag in ("pre", "table", "script", "style", "h1", "h2", "h3", "ul", "ol", "blockquote"):
            self.finish()
            self.skipped += tag in ("pre", "table", "script", "style")
        elif tag == "p":
            self.finish()
            self.text = []

    def handle_endtag(self, tag):
        if tag in ("pre", "table", "script", "style"):
            self.skipped = max(0, self.skipped - 1)
        elif tag in ("p", "div", "body"):
            self.finish()

    def handle_data(self, data):
        if self.text is not None and not self.skipped:
            self.text.append(data)

    def finish(self):
        if self.text:
            self.paragraphs.append(" ".join("".join(self.text).split()))
        self.text = None


def is_prose(paragraph):
    words = paragraph.split()
    symbols = len(re.findall(r"[^A-Za-z ,.'\"()-]", paragraph))
    return (
        len(words) >= 12
        and paragraph.isascii()
        and paragraph[0].isupper()
        and paragraph[-1] in ".?!"
        and symbols <= len(paragraph) // 50
        and "http" not in paragraph
    )


def main(folder):
    seen = set()
    for page in PAGES:
        parser = Paragraphs()
        parser.feed((Path(folder) / f"{page}.html").read_text(encoding="utf-8", errors="replace"))
        parser.finish()
        for paragraph in (text.translate(ASCII) for text in parser.paragraphs):
            if paragraph and is_prose(paragraph) and paragraph not in seen:
                seen.add(paragraph)
                print(paragraph)


if __name__ == "__main__":
    main(sys.argv[1])

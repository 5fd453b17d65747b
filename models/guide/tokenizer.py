"""Byte-level BPE as in GPT-2: the vocabulary is learnt here and written into the GGUF file.

llama.cpp tokenises the same way from the GGUF's tokens and merges (`tokenizer.ggml.model = gpt2`, `pre = gpt-2`), so
both sides must split text by the same pattern and merge in the same order.
"""

import re
from collections import Counter, defaultdict

BOS, IM_START, IM_END = 0, 1, 2
SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")

# The GPT-2 pattern, with \p{L} and \p{N} spelt for Python's re.
PIECES = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?[^\W\d_]+| ?\d+| ?(?:_|[^\w\s])+|\s+(?!\S)|\s+")


def byte_letters():
    """GPT-2's printable stand-in for each of the 256 bytes."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = {byte: chr(byte) for byte in printable}
    others = (byte for byte in range(256) if byte not in letters)
    letters.update({byte: chr(256 + index) for index, byte in enumerate(others)})
    return letters


LETTERS = byte_letters()


def to_letters(piece):
    return "".join(LETTERS[byte] for byte in piece.encode())


class Tokenizer:
    def __init__(self, merges):
        """`merges`: pairs of letters strings in the order in which they were learnt."""
        self.merges = merges
        self.tokens = [*SPECIALS, *(LETTERS[byte] for byte in range(256)), *(left + right for left, right in merges)]
        self.ids = {token: index for index, token in enumerate(self.tokens)}
        assert len(self.ids) == len(self.tokens), "two merges made the same token"
        self.ranks = {pair: rank for rank, pair in enumerate(merges)}
        self.cache = {}

    def encode(self, text):
        ids = []
        for piece in PIECES.findall(text):
            known = self.cache.get(piece)
            if known is None:
                known = self.cache[piece] = self._merge(list(to_letters(piece)))
            ids += known
        return ids

    def encode_with_dropout(self, text, random, rate):
        """As `encode`, but each merge is left out with chance `rate`: the same word in other pieces, as a typo makes it."""
        ids = []
        for piece in PIECES.findall(text):
            ids += self._merge(list(to_letters(piece)), random, rate)
        return ids

    def _merge(self, parts, random=None, rate=0.0):
        while len(parts) > 1:
            ranked = [
                (self.ranks[pair], index)
                for index, pair in enumerate(zip(parts, parts[1:]))
                if pair in self.ranks and (random is None or random.random() >= rate)
            ]
            if not ranked:
                break
            _, index = min(ranked)
            parts[index : index + 2] = [parts[index] + parts[index + 1]]
        return [self.ids[part] for part in parts]


def learn_merges(counts, size):
    """Learns BPE merges until the vocabulary has `size` tokens. `counts`: piece -> how often. Ties go to the lesser pair."""
    words = [(list(to_letters(piece)), count) for piece, count in sorted(counts.items())]
    pairs, where = Counter(), defaultdict(set)
    for index, (parts, count) in enumerate(words):
        for pair in zip(parts, parts[1:]):
            pairs[pair] += count
            where[pair].add(index)
    merges, made = [], set()
    while len(SPECIALS) + 256 + len(merges) < size:
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        joined = best[0] + best[1]
        if joined not in made:
            merges.append(best)
            made.add(joined)
        for index in sorted(where.pop(best)):
            parts, count = words[index]
            for pair in zip(parts, parts[1:]):
                pairs[pair] -= count
                where[pair].discard(index)
            merged, at = [], 0
            while at < len(parts):
                if tuple(parts[at : at + 2]) == best:
                    merged.append(joined)
                    at += 2
                else:
                    merged.append(parts[at])
                    at += 1
            words[index] = (merged, count)
            for pair in zip(merged, merged[1:]):
                pairs[pair] += count
                where[pair].add(index)
        del pairs[best]
    return merges

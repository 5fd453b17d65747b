"""Replays every question that train.py trains on and names those of data/heldout.txt that are among them: none should be."""

import random

import corpus
import train
from tokenizer import Tokenizer, learn_merges


def main():
    trained = set()
    vary = corpus.Corpus.vary

    def noted(self, text):
        varied = vary(self, text)
        trained.update((corpus.normalise(text), corpus.normalise(varied)))
        return varied

    corpus.Corpus.vary = noted
    first = corpus.Corpus(random.Random(train.SEED))
    tokenizer = Tokenizer(learn_merges(first.sample_pieces(20_000), train.Shape.vocabulary))
    for questions, steps in zip((first, corpus.Corpus(random.Random(train.SEED + 1), stage=2)), train.STEPS):
        for _ in zip(range(steps), train.batches(questions, tokenizer, steps)):
            pass
    cases = corpus.read_cases(corpus.DATA / "heldout.txt")
    found = [question for _, question in cases if corpus.normalise(question) in trained]
    print(f"{len(trained)} distinct questions are trained on; of {len(cases)} held-out ones these are among them: {found}")


if __name__ == "__main__":
    main()

"""What the guide learns from: the questions and answers in data/, varied as people vary them, as endless conversations."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from tokenizer import BOS, IM_END, IM_START, PIECES

DECIDING, DECIDED = 1.0, 0.15
DATA = Path(__file__).parent / "data"
MORE = (
    "tell me more|more|go on|continue|elaborate|can you tell me more|more please|tell me more about it|tell me more about that|"
    "more info|more information|more information please|explain more|what else|and what else|expand on that|can you say more|"
    "and|what more can you tell me|is there more|say more|i want to know more|can you elaborate|more details|what else can you tell me"
).split("|")
OPENINGS = (
    "hey, |hi, |hello, |hello! |hi! |please |please, |please tell me: |can you tell me: |question: |i have a question: |quick question: |"
    "ok, |okay, |so |so, |um, |hi guide, |dear shoal, |excuse me, |sorry, |one more thing: |i am new here. |i was wondering, |"
    "just curious: |well, |and |also, |next question: |hey there, |yo |good morning, |good evening. |thanks. |great, |another question: |"
    "i'm new to this. |help! |listen, |i'd like to know: |could you please tell me: |answer me: |tell me, |say, |now |but |then |hmm, |"
    "answer in one sentence: |in short: |briefly: |you are a helpful assistant. |do you happen to know |could somebody tell me |would you mind telling me |any idea |"
    "remind me |so tell me, |honestly, |in plain english, |real quick: |wait, |user: |q: |my question is: |simple question: |good day! "
).split("|")
CLOSINGS = (
    " please|, please| thanks|, thank you|? thanks|? thank you|? please answer briefly|? be brief|? explain in simple words|"
    "? i am new here|? i need to know| exactly|? answer in one sentence|? i'm curious| pls|? tia|? short answer please|? please help|"
    "? i have no idea| then| again|? please explain|? cheers|? it is urgent|? thanks in advance|? :)|, my friend|, guide|? a friend asked me"
).split("|")
SHORT_FORMS = (
    ("what is", "what's"), ("what is", "whats"), ("do not", "don't"), ("does not", "doesn't"), ("can not", "can't"), ("i am", "i'm"),
    ("i am", "im"), ("who is", "who's"), ("how is", "how's"), ("where is", "where's"), ("are you", "r u"), ("you", "u"),
    ("please", "pls"), ("i would", "i'd"), ("i have", "i've"), ("to", "2"), ("want to", "wanna"), ("what is", "wat is"),
    ("because", "cuz"), ("money", "cash"), ("okay", "ok"), ("it is", "it's"), ("how do i", "how do i actually"),
    ("how do i", "how exactly do i"), ("how can i", "how can i best"), ("what does", "what exactly does"), ("how do i", "how would i go about"),
)  # fmt: skip
ACRONYMS = {
    word.lower(): word
    for word in "I GPU GPUs CPU API APIs OpenAI SLA LLM LLMs GGUF URL NAT RTX VRAM CLI AWS I'm I've I'd SSE AMD NVIDIA SDK JSON HTTP".split()
}
NEIGHBOURS = dict(zip("qwertyuiopasdfghjklzxcvbnm", "wqrtyruioposdfghjklkxcvbnb"))
SYSTEMS = (
    "You are a helpful assistant.|You are a helpful, respectful and honest assistant.|You are a helpful AI assistant.|Be concise.|"
    "You are ChatGPT, a large language model trained by OpenAI.|Answer briefly.|You are a friendly chatbot.|Answer in English.|"
    "You are an expert on GPUs.|You are Shoal's assistant.|You answer questions about Shoal.|Be polite and helpful.|"
    "You are a helpful, respectful and honest assistant. Always answer as helpfully as possible.\nIf a question does not make any "
    "sense, or is not factually coherent, explain why instead of answering something incorrectly. If you don't know the answer to a "
    "question, don't share false information.|You are a support agent for a GPU network.|Use simple words.|Never lie.|"
    "You are a pirate.|You are a senior software engineer.|Reply in one sentence.|Think step by step.|Today is a sunny day.|"
    "You are the guide of a network. Answer newcomers.|Respond in plain text without markdown.|You are a coding assistant.|"
    "The user is a beginner. Explain things simply.|Keep your answers under 100 words.|You are a test.|system|"
    "You are an AI assistant that helps people find information.|Do not make things up.|Answer as truthfully as possible."
).split("|")


@dataclass
class Subject:
    name: str
    weight: float
    answers: list = field(default_factory=list)
    more: str | None = None
    questions: list = field(default_factory=list)


def parse_pattern(text):
    """A pattern as nested lists: a sequence holds strings, ('name', X) and ('choice', [sequence, ...])."""
    position = 0

    def sequence(depth):
        nonlocal position
        parts = []
        while position < len(text):
            char = text[position]
            if char == "(":
                position += 1
                choices = [sequence(depth + 1)]
                while text[position] == "|":
                    position += 1
                    choices.append(sequence(depth + 1))
                assert text[position] == ")", text
                position += 1
                parts.append(("choice", choices))
            elif char == "{" and (end := re.match(r"\{(\w+)\}", text[position:])):
                parts.append(("name", end[1]))
                position += end.end()
            elif depth and char in "|)":
                return parts
            else:
                parts.append(char)
                position += 1
        assert not depth, f"unclosed ( in {text}"
        return parts

    return sequence(0)


def parse_subjects(text, names):
    """Reads a data file; the named choices go into `names`."""
    subjects = []
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "!":
            name, _, pattern = rest.partition(" = ")
            names[name] = parse_pattern(f"({pattern})")
        elif kind == "=":
            name, _, weight = rest.partition(" ")
            subjects.append(Subject(name, float(weight or 1)))
        elif kind == "A":
            subjects[-1].answers.append(rest)
        elif kind == "M":
            subjects[-1].more = rest
        elif kind == "Q":
            subjects[-1].questions.append(parse_pattern(rest))
        else:
            assert not line or kind == "#", f"not understood: {line}"
    return subjects


def normalise(question):
    """What two questions have in common when only casing, punctuation and spacing differ."""
    return " ".join(re.findall(r"\w+|[+*/-]", question.lower().replace("'", "").replace("\u2019", "")))


def read_cases(path):
    """The (right subjects, question) pairs of heldout.txt or must-know.txt."""
    lines = (line for line in path.read_text().splitlines() if line and not line.startswith("#"))
    return [(subjects.split(","), question) for subjects, question in (line.split(": ", 1) for line in lines)]


class Corpus:
    """Stage 1 learns everything; stage 2 also reads polish.txt and holds more whole conversations."""

    def __init__(self, random, stage=1):
        self.random = random
        self.stage = stage
        self.names = {}
        self.known = parse_subjects((DATA / "questions.txt").read_text(), self.names)
        self.unknown = parse_subjects((DATA / "other.txt").read_text(), self.names)
        self.subjects = [*self.known, *self.unknown]
        self.by_name = {subject.name: subject for subject in self.subjects}
        if stage == 2:
            for polish in parse_subjects((DATA / "polish.txt").read_text(), self.names):
                subject = self.by_name[polish.name]
                subject.weight = polish.weight
                subject.questions += polish.questions * max(1, len(subject.questions) // (3 * len(polish.questions) or 1))
        self.weights = [subject.weight for subject in self.subjects]
        self.paragraphs = (DATA / "public-domain.txt").read_text().splitlines()
        self.sentences = [s for p in self.paragraphs for s in re.split(r"(?<=[.?!]) (?=[A-Z])", p) if 20 < len(s) < 240]
        asked = set(re.findall(r"[a-z]+", (DATA / "questions.txt").read_text().lower()))
        text_words = {word.lower() for p in self.paragraphs for word in re.findall(r"[A-Za-z]{3,}", p)}
        plain_words = (DATA / "words.txt").read_text().split()
        self.words = [sorted(text_words - asked), [word for word in plain_words if word not in asked]]
        self.withheld = {normalise(question) for _, question in read_cases(DATA / "tuning.txt")}
        self.continuations = {}
        for text in self.answer_texts():
            pieces = [*PIECES.findall(text), None]
            for index, piece in enumerate(pieces):
                self.continuations.setdefault(tuple(pieces[:index]), set()).add(piece)

    # --- questions -----------------------------------------------------------------------------------------------

    def word(self):
        if self.random.random() < 0.12:
            syllables = [self.random.choice("bcdfghjklmnprstvwz") + self.random.choice("aeiou") for _ in range(self.random.randint(2, 3))]
            return "".join(syllables) + self.random.choice(["", "n", "r", "x", "t"])
        return self.random.choice(self.random.choice(self.words))

    def phrase(self):
        words = re.findall(r"[A-Za-z']+", self.random.choice(self.sentences))
        start = self.random.randrange(max(1, len(words) - 4))
        return " ".join(words[start : start + self.random.randint(2, 5)])

    def expand(self, sequence):
        out = []
        for part in sequence:
            if isinstance(part, str):
                out.append(part)
            elif part[0] == "choice":
                out.append(self.expand(self.random.choice(part[1])))
            elif part[1] == "WORD":
                out.append(self.word())
            elif part[1] == "PHRASE":
                out.append(self.phrase())
            elif part[1] == "SENTENCE":
                out.append(self.random.choice(self.sentences))
            elif part[1] == "NUMBER":
                out.append(str(self.random.choice([self.random.randint(0, 20), self.random.randint(0, 1000)])))
            else:
                out.append(self.expand(self.names[part[1]]))
        return "".join(out)

    def question(self, subject):
        while True:
            text = " ".join(self.expand(self.random.choice(subject.questions)).split())
            varied = self.vary(text)
            if normalise(text) not in self.withheld and normalise(varied) not in self.withheld:
                return varied

    def vary(self, text):
        """The same question in another person's typing."""
        random = self.random
        if random.random() < 0.35:
            old, new = random.choice(SHORT_FORMS)
            text = re.sub(rf"\b{old}\b", new, text, count=1)
        if random.random() < 0.08:
            text = text.replace("'", random.choice(["", "\u2019"]))
        if random.random() < 0.16:
            text = random.choice(OPENINGS) + text
        if random.random() < 0.14:
            text += random.choice(CLOSINGS)
        if random.random() < 0.18:
            text = self.misspell(text)
        text = self.recase(text)
        asks = bool(re.match(r"\W*(what|how|who|why|where|when|which|is|are|do|does|can|could|will|may|should)\b", text.lower()))
        if text[-1] not in ".?!:)":
            text += random.choice(["?"] * 12 + [""] * 6 + [".", "??", "!", " ?", "?!", "???"] if asks else [""] * 8 + ["."] * 6 + ["!", "?", "...", "!!"])
        if random.random() < 0.03:
            text = random.choice([" {}", "{} ", "{}\n", '"{}"', "{}\n\n", "- {}", "> {}", "'{}'", "**{}**"]).format(text)
        return text

    def recase(self, text):
        chance = self.random.random()
        if chance < 0.28:
            return text
        if chance < 0.34:
            return text.upper()
        if chance < 0.38:
            return text.title()
        if chance < 0.40:
            return "".join(self.random.choice([char, char.upper()]) for char in text)
        if chance < 0.50:
            return text[0].upper() + text[1:]
        text = re.sub(r"\b(?<!`)shoal\b(?! (up|provide|chat|keys|accounts|nodes|usage|status|doctor)\b)", "Shoal", text)
        text = re.sub(r"[\w']+", lambda found: ACRONYMS.get(found[0].lower(), found[0]), text)
        return re.sub(r"(^|[.!?] )([a-z])", lambda found: found[1] + found[2].upper(), text)

    def misspell(self, text):
        words = text.split(" ")
        for _ in range(self.random.randint(1, 2)):
            index = self.random.randrange(len(words))
            word = words[index]
            if len(word) < 3 or not word.isalpha():
                continue
            at = self.random.randrange(len(word) - 1)
            kind = self.random.randrange(4)
            if kind == 0:
                word = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
            elif kind == 1:
                word = word[:at] + word[at + 1 :]
            elif kind == 2:
                word = word[:at] + word[at] + word[at:]
            else:
                word = word[:at] + NEIGHBOURS.get(word[at], "e") + word[at + 1 :]
            words[index] = word
        return " ".join(words)

    # --- conversations -------------------------------------------------------------------------------------------

    def passage(self, characters):
        start = self.random.randrange(len(self.paragraphs))
        text = ""
        while len(text) < characters:
            text += self.paragraphs[start % len(self.paragraphs)] + self.random.choice([" ", "\n"])
            start += 1
        return text[:characters].strip()

    def system(self):
        chance = self.random.random()
        if chance < 0.75:
            return self.random.choice(SYSTEMS)
        if chance < 0.9:
            return " ".join(self.random.choice(self.sentences) for _ in range(self.random.randint(1, 3)))
        return self.passage(self.random.randint(200, 1500))

    def turn(self, previous, may_be_long=False):
        """One (subject, question, answer); `previous` is the subject of the turn before, or None."""
        random = self.random
        if random.random() < (0.1 if previous and previous.more else 0.02):
            answer = previous.more if previous and previous.more else self.by_name["long_answer"].answers[0]
            return None, self.vary(random.choice(MORE)), answer
        subject = random.choices(self.subjects, self.weights)[0]
        question = self.question(subject)
        chance = random.random() if may_be_long else 1
        if chance < 0.015 and subject.name != "yes_no":
            question = f"{self.passage(random.randint(100, 1200))}\n\n{random.choice(['', 'Question: ', 'Q: '])}{question}"
        elif chance < 0.03 and subject.name == "other":
            question = f"{random.choice(['', 'Summarize this: ', 'Translate this text. '])}{self.passage(random.randint(200, 2500))}"
        return subject, question, random.choice(subject.answers)

    def answer_weights(self, text):
        """For each piece of an answer the weight of predicting it: DECIDING where answers part, else DECIDED."""
        pieces = PIECES.findall(text)
        return [DECIDING if len(self.continuations[tuple(pieces[:index])]) > 1 else DECIDED for index in range(len(pieces))]

    def conversation(self, tokenizer, is_short):
        """A training row: token ids, and for each the weight of predicting it.

        A short row is one question and the answer up to where it is decided: most of what there is to learn, in few tokens.
        """
        random = self.random
        ids, weights = [], []

        def add(new, weight):
            ids.extend(new)
            weights.extend([weight] * len(new))

        def message(role, text):
            add([IM_START], 0)
            add(tokenizer.encode(role + "\n"), 0)
            add(tokenizer.encode_with_dropout(text, random, random.choice([0, 0, 0, 0.05, 0.15])), 0.02 if role == "user" else 0)
            add([IM_END], 0)
            add(tokenizer.encode("\n"), 0)

        if random.random() < 0.3:
            add([BOS], 0)
        if random.random() < (0.2 if is_short else 0.35):
            message("system", random.choice(SYSTEMS) if is_short else self.system())
        turns = 1 if is_short else random.choice([1, 1, 2, 2, 2, 3, 3, 4, 5, 7]) if random.random() < 0.96 else random.randint(8, 16)
        foreign = random.random() < 0.05
        subject = None
        for _ in range(turns):
            subject, question, answer = self.turn(subject, may_be_long=not is_short)
            message("user", question)
            if foreign and not is_short and random.random() < 0.5:
                message("assistant", " ".join(random.choice(self.sentences) for _ in range(random.randint(1, 3))))
                continue
            add([IM_START], 0)
            add(tokenizer.encode("assistant\n"), 0)
            wanted = self.answer_weights(answer)
            if is_short:
                wanted = wanted[: len(wanted) - wanted[::-1].index(DECIDING)]
            ids += tokenizer.encode(answer)[: len(wanted)]
            weights += wanted
            if not is_short:
                add([IM_END], DECIDED)
                add(tokenizer.encode("\n"), 0)
        return ids[:2048], weights[:2048]

    def document(self, tokenizer):
        """Plain text without roles: a paragraph of the public-domain text, or a question and its answer."""
        random = self.random
        if random.random() < 0.6:
            ids = tokenizer.encode(random.choice(self.paragraphs))
            return [BOS, *ids, BOS][:512], [0, *([0.05] * len(ids)), 0.05][:512]
        subject, question, answer = self.turn(None)
        asked = [BOS, *tokenizer.encode(question)] if random.random() < 0.8 else [BOS]
        answered = [*tokenizer.encode("\n" + answer if len(asked) > 1 else answer), BOS]
        return [*asked, *answered], [*([0] * len(asked)), *([DECIDED] * len(answered))]

    def row(self, tokenizer, progress):
        """A training row; as `progress` goes from 0 to 1, more of them are whole conversations."""
        if self.random.random() < 0.03:
            return self.document(tokenizer)
        long_share = 0.3 if self.stage == 2 else 0.05 + 0.1 * progress
        return self.conversation(tokenizer, is_short=self.random.random() > long_share)

    # --- vocabulary ----------------------------------------------------------------------------------------------

    def answer_texts(self):
        return [text for subject in self.subjects for text in [*subject.answers, subject.more] if text]

    def answer_pieces(self):
        """Every piece of every answer. Each becomes one token, so an answer cut anywhere tokenises as it was written."""
        texts = self.answer_texts()
        texts += ["\n" + text for text in texts]
        return sorted({piece for text in texts for piece in PIECES.findall(text)} | {"system", "user", "assistant", "\n"})

    def sample_pieces(self, questions):
        """How often each piece occurs in the answers (very often), some questions and the public-domain text."""
        counts = {}
        texts = [self.question(self.random.choices(self.subjects, self.weights)[0]) for _ in range(questions)]
        for text in [*texts, *self.paragraphs]:
            for piece in PIECES.findall(text):
                counts[piece] = counts.get(piece, 0) + 1
        for piece in self.answer_pieces():
            counts[piece] = counts.get(piece, 0) + 1_000_000
        return counts

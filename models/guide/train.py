"""Trains Shoal's demo model from scratch and writes guide.gguf.

    python3 train.py [--steps N N] [--threads N] [--out FILE]

Everything random comes from SEED, so the same PyTorch on the same kind of processor with the same number of threads
writes the same bytes. README.md says which, and how long it takes.
"""

import argparse
import hashlib
import random
import time
from pathlib import Path

import torch
from torch.nn import functional

from corpus import Corpus
from gguf_file import as_q8_0, write_gguf
from model import Guide, Shape
from tokenizer import BOS, IM_END, Tokenizer, learn_merges

SEED = 20261122
STEPS = (2400, 600)
TOKENS_PER_STEP = 2048
# The peaks of the learning rates of the two stages.
MUON_RATES, ADAM_RATES = (0.02, 0.007), (4e-3, 1.4e-3)
# Scores are written this much larger than trained: a client that samples at temperature 1 gets what 1/3 would give.
SHARPNESS = 3
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def batches(corpus, tokenizer, steps):
    """(ids, weights) batches of about TOKENS_PER_STEP tokens, each of rows of about one length."""
    made = 0
    while made < steps:
        pool = sorted((corpus.row(tokenizer, made / steps) for _ in range(1000)), key=lambda row: len(row[0]))
        cuts, start = [], 0
        for end in range(1, len(pool) + 1):
            if end == len(pool) or (end + 1 - start) * len(pool[end][0]) > TOKENS_PER_STEP:
                cuts.append(pool[start:end])
                start = end
        corpus.random.shuffle(cuts)
        made += len(cuts)
        for rows in cuts:
            length = max(len(ids) for ids, _ in rows)
            ids = torch.tensor([ids + [BOS] * (length - len(ids)) for ids, _ in rows])
            weights = torch.tensor([w + [0] * (length - len(w)) for _, w in rows], dtype=torch.float32)
            yield ids, weights


def loss_of(model, ids, weights):
    with torch.autocast("cpu", torch.bfloat16):
        hidden = model(ids[:, :-1])
        wanted = weights[:, 1:] > 0
        scores = model.logits(hidden[wanted])
    losses = functional.cross_entropy(scores.float(), ids[:, 1:][wanted], reduction="none")
    weights = weights[:, 1:][wanted]
    return (losses * weights).sum() / weights.sum()


def train(model, corpus, tokenizer, steps):
    muon_rate, adam_rate = MUON_RATES[corpus.stage - 1], ADAM_RATES[corpus.stage - 1]
    matrices = [weight for name, weight in model.named_parameters() if weight.dim() == 2 and name != "embedding.weight"]
    others = [weight for name, weight in model.named_parameters() if weight.dim() == 1 or name == "embedding.weight"]
    optimizers = [
        torch.optim.Muon(matrices, lr=muon_rate, weight_decay=0.01, momentum=0.95),
        torch.optim.AdamW(others, lr=adam_rate, betas=(0.9, 0.98), weight_decay=0.0),
    ]
    rates = [group["lr"] for optimizer in optimizers for group in optimizer.param_groups]
    started, seen, shown = time.monotonic(), 0, 0.0
    for step, (ids, weights) in zip(range(1, steps + 1), batches(corpus, tokenizer, steps)):
        pace = min(1, step / 60) * min(1, (steps - step + 1) / (steps * 0.6))
        for optimizer, rate in zip(optimizers, rates):
            optimizer.param_groups[0]["lr"] = rate * pace
        loss = loss_of(model, ids, weights)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(others, 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        seen += ids.numel()
        shown = loss.item() if step == 1 else 0.95 * shown + 0.05 * loss.item()
        if step % 100 == 0 or step == steps:
            seconds = time.monotonic() - started
            print(f"step {step} loss {shown:.4f} tokens {seen} seconds {seconds:.0f} tokens/s {seen / seconds:.0f}", flush=True)


def round_weights(model):
    """Gives the model the weights that it would have in a GGUF file, so that stage 2 could start from such a file just as well."""
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() == 2:
                weight.copy_(torch.from_numpy(as_q8_0(weight.numpy())))
        # The file holds the norm SHARPNESS times as large, in float32.
        model.norm.weight.copy_(model.norm.weight * SHARPNESS / SHARPNESS)


def export(model, tokenizer, path):
    shape = model.shape
    metadata = {
        "general.architecture": "llama",
        "general.name": "Shoal guide",
        "general.description": "A demo model that answers newcomers' questions about Shoal and knows nothing else.",
        "general.license": "apache-2.0",
        "general.file_type": 7,
        "general.quantization_version": 2,
        "llama.vocab_size": shape.vocabulary,
        "llama.context_length": shape.context,
        "llama.embedding_length": shape.width,
        "llama.block_count": shape.layers,
        "llama.feed_forward_length": shape.hidden,
        "llama.attention.head_count": shape.heads,
        "llama.attention.head_count_kv": shape.heads,
        "llama.attention.layer_norm_rms_epsilon": shape.norm_epsilon,
        "llama.rope.dimension_count": shape.width // shape.heads,
        "llama.rope.freq_base": shape.rope_base,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.tokens": tokenizer.tokens,
        "tokenizer.ggml.token_type": [3 if index <= IM_END else 1 for index in range(len(tokenizer.tokens))],
        "tokenizer.ggml.merges": [" ".join(pair) for pair in tokenizer.merges],
        "tokenizer.ggml.bos_token_id": BOS,
        "tokenizer.ggml.eos_token_id": IM_END,
        "tokenizer.ggml.eot_token_id": IM_END,
        "tokenizer.ggml.padding_token_id": BOS,
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.ggml.add_space_prefix": False,
        "tokenizer.chat_template": CHAT_TEMPLATE,
    }
    with torch.no_grad():
        tensors = {"token_embd.weight": model.embedding.weight, "output_norm.weight": model.norm.weight * SHARPNESS}
        for index, block in enumerate(model.blocks):
            tensors |= {
                f"blk.{index}.{name}.weight": part.weight
                for name, part in (
                    ("attn_norm", block.attention_norm),
                    ("attn_q", block.query),
                    ("attn_k", block.key),
                    ("attn_v", block.value),
                    ("attn_output", block.output),
                    ("ffn_norm", block.feed_norm),
                    ("ffn_gate", block.gate),
                    ("ffn_up", block.up),
                    ("ffn_down", block.down),
                )
            }
        write_gguf(path, metadata, {name: tensor.detach().float().numpy() for name, tensor in tensors.items()})


def main():
    options = argparse.ArgumentParser(description="Trains Shoal's demo model.")
    options.add_argument("--steps", type=int, nargs=2, default=STEPS, help="of the two stages")
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--out", type=Path, default=Path(__file__).parent / "guide.gguf")
    options = options.parse_args()

    torch.set_num_threads(options.threads)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(SEED)
    started = time.monotonic()
    corpus = Corpus(random.Random(SEED))
    tokenizer = Tokenizer(learn_merges(corpus.sample_pieces(20_000), Shape.vocabulary))
    model = Guide(Shape())
    print(f"torch {torch.__version__} threads {options.threads} seed {SEED} steps {options.steps[0]}+{options.steps[1]}")
    print(f"parameters {sum(weight.numel() for weight in model.parameters())} vocabulary {len(tokenizer.tokens)}")
    train(model, corpus, tokenizer, options.steps[0])
    round_weights(model)
    train(model, Corpus(random.Random(SEED + 1), stage=2), tokenizer, options.steps[1])
    export(model, tokenizer, options.out)
    data = options.out.read_bytes()
    print(f"bytes {len(data)} sha256 {hashlib.sha256(data).hexdigest()} minutes {(time.monotonic() - started) / 60:.1f}")


if __name__ == "__main__":
    main()

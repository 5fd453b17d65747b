"""The network: a small llama (RMSNorm, rotary positions, SwiGLU, tied embedding), as llama.cpp's `llama` architecture runs it."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional


@dataclass(frozen=True)
class Shape:
    vocabulary: int = 2048
    context: int = 2048
    width: int = 192
    layers: int = 4
    heads: int = 3
    hidden: int = 512
    rope_base: float = 10_000.0
    norm_epsilon: float = 1e-5


def rotate(x, cosines, sines):
    """Rotary positions on neighbouring pairs, the order that llama.cpp uses for this architecture."""
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cosines - odd * sines, even * sines + odd * cosines), dim=-1).flatten(-2)


class Block(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.heads = shape.heads
        self.attention_norm = nn.RMSNorm(shape.width, eps=shape.norm_epsilon)
        self.feed_norm = nn.RMSNorm(shape.width, eps=shape.norm_epsilon)
        for name, inputs, outputs in (
            ("query", shape.width, shape.width),
            ("key", shape.width, shape.width),
            ("value", shape.width, shape.width),
            ("output", shape.width, shape.width),
            ("gate", shape.width, shape.hidden),
            ("up", shape.width, shape.hidden),
            ("down", shape.hidden, shape.width),
        ):
            setattr(self, name, nn.Linear(inputs, outputs, bias=False))

    def forward(self, x, cosines, sines):
        rows, length, width = x.shape
        seen = self.attention_norm(x)
        query, key, value = (
            part(seen).view(rows, length, self.heads, -1).transpose(1, 2) for part in (self.query, self.key, self.value)
        )
        mixed = functional.scaled_dot_product_attention(
            rotate(query, cosines, sines), rotate(key, cosines, sines), value, is_causal=True
        )
        x = x + self.output(mixed.transpose(1, 2).reshape(rows, length, width))
        seen = self.feed_norm(x)
        return x + self.down(functional.silu(self.gate(seen)) * self.up(seen))


class Guide(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocabulary, shape.width)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = nn.RMSNorm(shape.width, eps=shape.norm_epsilon)
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                scale = (2 * shape.layers) ** -0.5 if name.endswith(("output.weight", "down.weight")) else 1.0
                nn.init.normal_(weight, std=0.02 * scale)
        half = shape.width // shape.heads // 2
        angles = torch.arange(shape.context)[:, None] * shape.rope_base ** (-torch.arange(half) / half)
        self.register_buffer("cosines", angles.cos(), persistent=False)
        self.register_buffer("sines", angles.sin(), persistent=False)

    def forward(self, ids):
        """Token ids (rows, length) -> the last hidden states; `logits` turns chosen ones into scores."""
        x = self.embedding(ids)
        cosines, sines = self.cosines[: ids.shape[1]], self.sines[: ids.shape[1]]
        for block in self.blocks:
            x = block(x, cosines.to(x.dtype), sines.to(x.dtype))
        return self.norm(x)

    def logits(self, hidden):
        return functional.linear(hidden, self.embedding.weight)

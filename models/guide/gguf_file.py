"""Writes a GGUF version 3 file: metadata, tensor table, data. Only what the guide needs: f32 and Q8_0 tensors."""

import struct

import numpy

ALIGNMENT = 32
F32, Q8_0 = 0, 8
BLOCK = 32


def _string(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _value(value):
    """A metadata value with its type in front: bool, int (uint32), float (float32), str, or a list of str or of int (int32)."""
    if isinstance(value, bool):
        return struct.pack("<I?", 7, value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    if isinstance(value, str):
        return struct.pack("<I", 8) + _string(value)
    if isinstance(value[0], str):
        return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(_string, value))
    return struct.pack("<IIQ", 9, 5, len(value)) + struct.pack(f"<{len(value)}i", *value)


def to_q8_0(array):
    """Blocks of 32 along the last axis: a float16 scale and 32 signed bytes."""
    blocks = array.astype(numpy.float32).reshape(-1, BLOCK)
    scales = (numpy.abs(blocks).max(axis=1) / 127).astype(numpy.float32)
    inverse = numpy.divide(1, scales, out=numpy.zeros_like(scales), where=scales > 0)
    scaled = blocks * inverse[:, None]
    rounded = (numpy.sign(scaled) * numpy.floor(numpy.abs(scaled) + 0.5)).astype(numpy.int8)
    return numpy.concatenate([scales.astype(numpy.float16)[:, None].view(numpy.int8), rounded], axis=1).tobytes()


def as_q8_0(array):
    """The values that are left of a matrix after `to_q8_0`."""
    blocks = numpy.frombuffer(to_q8_0(array), dtype=numpy.int8).reshape(-1, BLOCK + 2)
    scales = numpy.ascontiguousarray(blocks[:, :2]).view(numpy.float16).astype(numpy.float32)
    return (blocks[:, 2:].astype(numpy.float32) * scales).reshape(array.shape)


def write_gguf(path, metadata, tensors):
    """`tensors`: name -> float array. Matrices become Q8_0, vectors stay f32."""
    table, data = b"", b""
    for name, array in tensors.items():
        kind = Q8_0 if array.ndim == 2 else F32
        data += b"\0" * (-len(data) % ALIGNMENT)
        dimensions = struct.pack(f"<I{array.ndim}Q", array.ndim, *reversed(array.shape))
        table += _string(name) + dimensions + struct.pack("<IQ", kind, len(data))
        data += to_q8_0(array) if kind == Q8_0 else array.astype("<f4").tobytes()
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    head += b"".join(_string(key) + _value(value) for key, value in metadata.items()) + table
    head += b"\0" * (-len(head) % ALIGNMENT)
    data += b"\0" * (-len(data) % ALIGNMENT)
    path.write_bytes(head + data)

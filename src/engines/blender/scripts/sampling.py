"""Which samples of a pixel are rendered: all of them, or the part of a still that a task asks for.

Up to Blender 4.4 the offset counts by itself, and `samples` are those from there on. Newer ones leave the offset out
unless `use_sample_subset` is set, and `samples` are then all of the still, of which the subset is a part.
"""


def take_all(cycles):
    """Whatever the scene itself says: it may have been saved as a part."""
    cycles.sample_offset = 0
    if hasattr(cycles, "use_sample_subset"):
        cycles.use_sample_subset = False


def take_part(cycles, offset, total):
    """`cycles.samples` of them from `offset` on, of `total` in the whole still."""
    part = cycles.samples
    cycles.sample_offset = offset
    if hasattr(cycles, "use_sample_subset"):
        cycles.use_sample_subset = True
        cycles.sample_subset_length = part
        # The same for all parts, as the order of samples follows from it; what is beyond it would not be rendered.
        cycles.samples = max(total, offset + part)


def taken(cycles):
    """How many each pixel gets."""
    return cycles.sample_subset_length if getattr(cycles, "use_sample_subset", False) else cycles.samples

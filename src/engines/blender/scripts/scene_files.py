"""Which files a scene reads, and where they lie."""
import os
import re

import bpy

from paths import absolute
from simulations import BAKE_FOLDERS, point_caches, simulation_folders

FILE_KINDS = ("images", "sounds", "fonts", "movieclips", "cache_files", "volumes")
LISTED_MAX = 20_000


def files(frames):
    """Every file that the scene reads for those frames, once each, with who wants it and whether it is there."""
    found = {}

    def add(kind, owner, path):
        if path and path not in found and len(found) < LISTED_MAX:
            is_there = os.path.isfile(path) or os.path.isdir(path)
            found[path] = {"kind": kind, "owner": owner, "path": path, "isThere": is_there, "bytes": size(path)}

    for library in bpy.data.libraries:
        add("library", library.name, absolute(library.filepath, library.library))
    for image in bpy.data.images:
        for path in image_paths(image, frames):
            add("image", image.name, path)
    for font in bpy.data.fonts:
        if font.packed_file is None and font.filepath not in ("", "<builtin>"):
            add("font", font.name, absolute(font.filepath, font.library))
    for clip in bpy.data.movieclips:
        for path in clip_paths(clip, frames):
            add("clip", clip.name, path)
    for cache in bpy.data.cache_files:
        for path in cache_paths(cache, frames):
            add("cache", cache.name, path)
    for volume in bpy.data.volumes:
        for path in volume_paths(volume, frames):
            add("volume", volume.name, path)
    for owner, path in simulation_folders():
        add("simulation", owner, path)
    for owner, node in file_nodes():
        kind = "light profile" if node.type == "TEX_IES" else "script"
        add(kind, owner.name, absolute(node.filepath, owner.library))
    # What the list above does not know of, such as the files of add-ons.
    known = set(known_paths())
    listed_names = {os.path.basename(path) for path in found}
    for path in bpy.utils.blend_paths(absolute=True, packed=False, local=False):
        name = os.path.basename(path)
        if not name or "<UDIM>" in path or "<UVTILE>" in path:
            continue
        path = os.path.normpath(path)
        # Some releases take paths in libraries for paths in the scene: such a place is empty, and its file is listed.
        is_elsewhere = name in listed_names and not os.path.exists(path)
        if path not in known and not is_elsewhere:
            add("file", name, path)
    return sorted(found.values(), key=lambda one: one["path"])


def known_paths():
    """What is listed as far as the frames need it, and what no frame needs: texts, sounds, and what is cut to a film."""
    for kind in (*FILE_KINDS, "texts", "libraries"):
        for block in getattr(bpy.data, kind):
            if block.filepath:
                yield absolute(block.filepath, block.library)
    for one in bpy.data.objects:
        for modifier in one.modifiers:
            settings = modifier.domain_settings if modifier.type == "FLUID" else modifier
            for name in ("filepath", "cache_directory", *BAKE_FOLDERS):
                if getattr(settings, name, ""):
                    yield absolute(getattr(settings, name), one.library)
    for _owner, _what, cache, library in point_caches():
        if cache.filepath:
            yield absolute(cache.filepath, library)
    for scene in bpy.data.scenes:
        editor = scene.sequence_editor
        # Before Blender 4.4 they have another name, which Blender 5 does not know any more.
        for strip in getattr(editor, "strips_all", None) or getattr(editor, "sequences_all", ()):
            if getattr(strip, "filepath", ""):
                yield absolute(strip.filepath, scene.library)
            for element in getattr(strip, "elements", None) or ():
                yield absolute(os.path.join(getattr(strip, "directory", ""), element.filename), scene.library)


def size(path):
    try:
        return os.path.getsize(path) if os.path.isfile(path) else 0
    except OSError:
        return 0


def image_paths(image, frames):
    if image.source in ("VIEWER", "GENERATED") or image.type in ("RENDER_RESULT", "COMPOSITING"):
        return []
    if image.packed_file is not None or len(getattr(image, "packed_files", ())) > 0 or not image.filepath:
        return []
    path = absolute(image.filepath, image.library)
    if image.source == "TILED":
        return [tile_path(path, tile.number) for tile in image.tiles]
    if image.source == "SEQUENCE":
        numbers = sorted(sequence_numbers(image, frames))
        wanted = [numbered(path, number) for number in numbers]
        return list(dict.fromkeys([*wanted, *those_there(path, loose_numbers(image, path, frames))])) or [path]
    return [path]


def tile_path(path, number):
    u, v = (number - 1001) % 10 + 1, (number - 1001) // 10 + 1
    return path.replace("<UDIM>", str(number)).replace("<UVTILE>", f"u{u}_v{v}")


def numbered(path, number):
    """The file of a sequence with that number: the last digits of the name stand for it."""
    folder, name = os.path.split(path)
    stem, extension = os.path.splitext(name)
    match = re.search(r"(\d+)(\D*)$", stem)
    if match is None:
        return path
    digits = str(number).zfill(len(match.group(1)))
    return os.path.join(folder, stem[: match.start(1)] + digits + match.group(2) + extension)


def sequence_numbers(image, frames):
    """Which numbers the frames of the job ask for, by everyone who shows the image."""
    for user in image_users(image):
        yield from numbers_of(user, frames)


def numbers_of(user, frames):
    for frame in frames:
        number = frame - user.frame_start + 1
        if user.use_cyclic and user.frame_duration > 0:
            number = (number - 1) % user.frame_duration + 1
        yield max(1, min(number, max(1, user.frame_duration))) + user.frame_offset


def loose_numbers(image, path, frames):
    """Those that may be wanted as well, where they are there."""
    if is_input(image):
        # Which frame it shows is reckoned by nodes.
        return siblings(path)
    # What a texture displaces is blurred by the moments before and behind.
    return [number for user in texture_users(image) for number in numbers_of(user, around(frames))]


def around(frames):
    """With the one before each and the one behind."""
    return sorted({near for frame in frames for near in (frame - 1, frame, frame + 1)})


def compositor(scene):
    """The nodes that work on what was rendered, or `None`. Since Blender 5 they are a group that the scene names."""
    tree = getattr(scene, "node_tree", None)
    return getattr(scene, "compositing_node_group", None) or (tree if tree and scene.use_nodes else None)


def node_trees():
    """Each with the block whose it is."""
    for kind in ("materials", "worlds", "lights", "scenes", "textures"):
        for block in getattr(bpy.data, kind):
            # Since Blender 5 a scene has none of its own: its compositor is one of the groups below.
            tree = getattr(block, "node_tree", None)
            if tree and block.use_nodes:
                yield block, tree
    for group in bpy.data.node_groups:
        yield group, group


def image_users(image):
    for _owner, tree in node_trees():
        for node in tree.nodes:
            if getattr(node, "image", None) == image:
                # The compositor's node has the fields of an image user itself.
                yield getattr(node, "image_user", node)
    yield from texture_users(image)


def texture_users(image):
    """Textures of modifiers and particles show an image by themselves."""
    for texture in bpy.data.textures:
        if getattr(texture, "image", None) == image:
            yield texture.image_user


def is_input(image):
    """Whether geometry nodes are given it, by a socket or by their modifier."""
    for group in bpy.data.node_groups:
        for node in group.nodes:
            if any(socket.type == "IMAGE" and socket.default_value == image for socket in node.inputs):
                return True
    return any(
        modifier.type == "NODES" and any(one == image for one in inputs_of(modifier))
        for one in bpy.data.objects
        for modifier in one.modifiers
    )


def inputs_of(modifier):
    try:
        return modifier.values()
    except TypeError:
        # Blenders whose modifiers keep them elsewhere.
        return ()


def file_nodes():
    """Nodes that read a file by themselves, with the block whose they are."""
    for owner, tree in node_trees():
        for node in tree.nodes:
            if node.type in ("TEX_IES", "SCRIPT") and node.mode == "EXTERNAL" and node.filepath:
                yield owner, node


def clip_paths(clip, frames):
    if not clip.filepath:
        return []
    path = absolute(clip.filepath, clip.library)
    first = re.search(r"(\d+)\D*$", os.path.splitext(os.path.basename(path))[0])
    if clip.source != "SEQUENCE" or first is None:
        return [path]
    # The file that the clip names is its first.
    shift = int(first.group(1)) - clip.frame_start + clip.frame_offset
    return [path, *those_there(path, [frame + shift for frame in frames])]


def cache_paths(cache, frames):
    if not cache.filepath:
        return []
    path = absolute(cache.filepath, cache.library)
    layers = [absolute(one.filepath, cache.library) for one in getattr(cache, "layers", ()) if one.filepath]
    if not cache.is_sequence:
        return [path, *layers]
    if not cache.override_frame:
        # What is blurred looks at the moment before and the one behind.
        numbers = around(frames)
    elif cache.animation_data is None:
        numbers = [int(cache.frame)]
    else:
        numbers = siblings(path)
    return [*(those_there(path, numbers) or [path]), *layers]


def those_there(path, numbers):
    """Files of a sequence: beyond its ends there is nothing to be seen, on whatever machine."""
    paths = dict.fromkeys(numbered(path, number) for number in numbers if number >= 0)
    return [one for one in paths if os.path.isfile(one)]


def siblings(path):
    """The numbers of all files of a sequence."""
    folder, name = os.path.split(path)
    match = re.search(r"(\d+)(\D*)$", os.path.splitext(name)[0])
    if match is None or not os.path.isdir(folder):
        return []
    ends = name[: match.start(1)], name[match.end(1) :]
    found = (re.fullmatch(re.escape(ends[0]) + r"(\d+)" + re.escape(ends[1]), one) for one in os.listdir(folder))
    return sorted(int(one.group(1)) for one in found if one)


def volume_paths(volume, frames):
    if volume.packed_file is not None or not volume.filepath:
        return []
    path = absolute(volume.filepath, volume.library)
    if not volume.is_sequence:
        return [path]
    numbers = [frame - volume.frame_start + 1 for frame in frames]
    last = max(1, volume.frame_duration)
    return list(
        dict.fromkeys(numbered(path, max(1, min(number, last)) + volume.frame_offset) for number in numbers)
    )

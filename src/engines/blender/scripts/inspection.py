"""What a scene needs and what may go wrong with it, found out before anybody pays."""
import os
import re

import bpy

FILE_KINDS = ("images", "sounds", "fonts", "movieclips", "cache_files", "volumes")
VIDEO_FORMATS = ("FFMPEG", "AVI_JPEG", "AVI_RAW")
SIMULATIONS = {"CLOTH": "cloth", "SOFT_BODY": "soft body", "DYNAMIC_PAINT": "dynamic paint"}
LISTED_MAX = 20_000


def absolute(path, library=None):
    """As the scene means it, without `.` and `..`; a path of Windows stays as it is."""
    if re.match(r"^[A-Za-z]:[\\/]|^\\\\", path):
        return path
    return os.path.normpath(bpy.path.abspath(path, library=library))


def has_denoiser():
    try:
        import _cycles

        return bool(_cycles.with_openimagedenoise)
    except (ImportError, AttributeError):
        return False


def inspect(command):
    scene = bpy.context.scene
    frames = command.get("frames") or [scene.frame_start, scene.frame_end]
    return {
        "files": files(frames),
        "warnings": warnings(scene),
        "facts": facts(scene),
    }


def facts(scene):
    render, cycles = scene.render, scene.cycles
    return {
        "scene": scene.name,
        "frameStart": scene.frame_start,
        "frameEnd": scene.frame_end,
        "frameStep": scene.frame_step,
        "fps": render.fps / render.fps_base,
        "width": render.resolution_x * render.resolution_percentage // 100,
        "height": render.resolution_y * render.resolution_percentage // 100,
        "samples": cycles.samples,
        "seed": cycles.seed,
        "isAdaptive": bool(cycles.use_adaptive_sampling),
        "isDenoised": bool(cycles.use_denoising),
        "triangles": triangles(scene),
        "imageBytes": sum(image_bytes(image) for image in bpy.data.images),
    }


def image_bytes(image):
    """What Cycles has of it in memory."""
    width, height = image.size
    taken = width * height * image.channels * (4 if image.is_float else 1)
    if image.packed_file is None and image.source == "FILE":
        image.buffers_free()
    return taken


def triangles(scene):
    count = 0
    for one in scene.objects:
        if one.type == "MESH" and one.data is not None:
            count += sum(max(0, total - 2) for total in loop_totals(one.data))
    return count


def loop_totals(mesh):
    totals = [0] * len(mesh.polygons)
    mesh.polygons.foreach_get("loop_total", totals)
    return totals


# --- files ------------------------------------------------------------------------------------------------------------


def files(frames):
    """Every file that the scene reads, once each, with who wants it and whether it is there."""
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
    for sound in bpy.data.sounds:
        if sound.packed_file is None:
            add("sound", sound.name, absolute(sound.filepath, sound.library))
    for font in bpy.data.fonts:
        if font.packed_file is None and font.filepath not in ("", "<builtin>"):
            add("font", font.name, absolute(font.filepath, font.library))
    for clip in bpy.data.movieclips:
        add("clip", clip.name, absolute(clip.filepath, clip.library))
    for cache in bpy.data.cache_files:
        add("cache", cache.name, absolute(cache.filepath, cache.library))
    for volume in bpy.data.volumes:
        for path in volume_paths(volume, frames):
            add("volume", volume.name, path)
    for owner, path in simulation_folders():
        add("simulation", owner, path)
    # What the list above does not know of, such as the files of add-ons.
    listed_folders = {os.path.dirname(path) for path in found}
    listed_names = {os.path.basename(path) for path in found}
    for path in bpy.utils.blend_paths(absolute=True, packed=False, local=False):
        path = os.path.normpath(path)
        name = os.path.basename(path)
        is_pattern = "<UDIM>" in path or "<UVTILE>" in path
        if not is_pattern and os.path.dirname(path) not in listed_folders and name not in listed_names:
            add("file", name, path)
    return sorted(found.values(), key=lambda one: one["path"])


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
        return list(dict.fromkeys(numbered(path, number) for number in numbers)) or [path]
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
        for frame in range(frames[0], frames[1] + 1):
            number = frame - user.frame_start + 1
            if user.use_cyclic and user.frame_duration > 0:
                number = (number - 1) % user.frame_duration + 1
            yield max(1, min(number, max(1, user.frame_duration))) + user.frame_offset


def image_users(image):
    trees = [material.node_tree for material in bpy.data.materials if material.use_nodes]
    trees += [world.node_tree for world in bpy.data.worlds if world.use_nodes]
    trees += [light.node_tree for light in bpy.data.lights if light.use_nodes]
    trees += list(bpy.data.node_groups)
    trees += [scene.node_tree for scene in bpy.data.scenes if scene.use_nodes]
    for tree in trees:
        for node in tree.nodes if tree else []:
            if getattr(node, "image", None) == image:
                # The compositor's node has the fields of an image user itself.
                yield getattr(node, "image_user", node)


def volume_paths(volume, frames):
    if volume.packed_file is not None or not volume.filepath:
        return []
    path = absolute(volume.filepath, volume.library)
    if not volume.is_sequence:
        return [path]
    numbers = [frame - volume.frame_start + 1 for frame in range(frames[0], frames[1] + 1)]
    last = max(1, volume.frame_duration)
    return list(
        dict.fromkeys(numbered(path, max(1, min(number, last)) + volume.frame_offset) for number in numbers)
    )


def simulation_folders():
    for one in bpy.data.objects:
        for modifier in one.modifiers:
            if modifier.type == "FLUID" and modifier.fluid_type == "DOMAIN":
                yield one.name, absolute(modifier.domain_settings.cache_directory, one.library)
            elif modifier.type == "MESH_CACHE" and modifier.filepath:
                yield one.name, absolute(modifier.filepath, one.library)
            elif modifier.type == "OCEAN" and modifier.is_cached and modifier.filepath:
                yield one.name, absolute(modifier.filepath, one.library)


# --- warnings ---------------------------------------------------------------------------------------------------------


def warnings(scene):
    return [
        {"code": code, "message": message}
        for code, message in [*script_warnings(), *simulation_warnings(), *setting_warnings(scene)]
    ]


def script_warnings():
    for text in bpy.data.texts:
        if text.use_module:
            yield "script", f"The script '{text.name}' registers itself on load; scripts do not run on nodes."
    owners = sorted({owner for owner in python_drivers()})
    if owners:
        yield "script", f"Drivers in Python do not run on nodes: {listed(owners)}. Bake them to keyframes."
    for material in bpy.data.materials:
        nodes = material.node_tree.nodes if material.use_nodes and material.node_tree else []
        if any(node.type == "SCRIPT" for node in nodes):
            yield "script", f"The material '{material.name}' uses a script of Open Shading Language, which nodes do not run."


def python_drivers():
    for kind in ("objects", "materials", "meshes", "lights", "cameras", "shape_keys", "node_groups", "armatures"):
        for block in getattr(bpy.data, kind):
            animation = block.animation_data
            for curve in animation.drivers if animation else []:
                if curve.driver.type == "SCRIPTED" and not curve.driver.is_simple_expression:
                    yield block.name


def simulation_warnings():
    for one in bpy.data.objects:
        for modifier in one.modifiers:
            if modifier.type in SIMULATIONS and not is_baked(getattr(modifier, "point_cache", None)):
                yield unbaked(one.name, SIMULATIONS[modifier.type])
            elif modifier.type == "FLUID" and modifier.fluid_type == "DOMAIN":
                if not modifier.domain_settings.has_cache_baked_data:
                    yield unbaked(one.name, "fluid")
        for system in one.particle_systems:
            settings = system.settings
            moves = settings.type == "EMITTER" or system.use_hair_dynamics
            if moves and not is_baked(system.point_cache):
                yield unbaked(one.name, f"particle system '{system.name}'")
    for scene in bpy.data.scenes:
        world = scene.rigidbody_world
        if world is not None and world.collection and len(world.collection.objects) > 0:
            if not is_baked(world.point_cache):
                yield unbaked(scene.name, "rigid bodies")


def is_baked(cache):
    return cache is not None and cache.is_baked


def unbaked(owner, what):
    return "unbaked", f"The {what} of '{owner}' is not baked: frames that nodes render out of order would differ. Bake it first."


def setting_warnings(scene):
    if scene.cycles.use_denoising and not has_denoiser():
        yield "denoiser", "The scene denoises, which this Blender cannot: frames would come out noisy."
    elif scene.cycles.use_denoising:
        yield "denoiser", "The scene denoises: denoised frames cannot be verified by crops and are checked in full."
    if scene.render.image_settings.file_format in VIDEO_FORMATS:
        yield "video", "The scene writes a video; frames are rendered as pictures, and the video is made of them at the end."
    if scene.use_nodes and scene.node_tree and any(node.type == "OUTPUT_FILE" for node in scene.node_tree.nodes):
        yield "output", "File outputs of the compositor are left out: each frame is one file."
    if scene.render.use_multiview:
        yield "stereo", "The scene renders in stereo; one view is rendered."
    if scene.render.use_border:
        yield "border", "The scene renders only a part of the picture (render region)."


def listed(names):
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")

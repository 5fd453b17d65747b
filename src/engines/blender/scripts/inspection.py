"""What a scene needs and what may go wrong with it, found out before anybody pays."""
import struct

import bpy

from scene_files import compositor, files
from simulations import unbaked

# More than that, and some nodes have less.
PICTURE_BYTES_USUAL = 2**30
VIDEO_FORMATS = ("FFMPEG", "AVI_JPEG", "AVI_RAW")


def has_denoiser():
    try:
        import _cycles

        return bool(_cycles.with_openimagedenoise)
    except (ImportError, AttributeError):
        return False


def inspect(command):
    scene = bpy.context.scene
    ranges = command.get("frames")
    frames = sorted({frame for first, last in ranges for frame in range(first, last + 1)}) if ranges else own_frames(scene)
    pictures = {image.name: image_bytes(image) for image in bpy.data.images}
    return {
        "files": files(frames),
        "warnings": [*warnings(scene), *memory_warnings(pictures)],
        "facts": {**facts(scene), "imageBytes": sum(pictures.values())},
    }


def own_frames(scene):
    """Of an empty range, the frame that is shown."""
    return range(scene.frame_start, scene.frame_end + 1, max(1, scene.frame_step)) or [scene.frame_current]


def facts(scene):
    render, cycles = scene.render, scene.cycles
    width, height = made_size(render)
    return {
        "scene": scene.name,
        "frameStart": scene.frame_start,
        "frameEnd": scene.frame_end,
        "frameStep": scene.frame_step,
        "fps": render.fps / render.fps_base,
        "width": width,
        "height": height,
        "samples": cycles.samples,
        "seed": cycles.seed,
        "isAdaptive": bool(cycles.use_adaptive_sampling),
        "isDenoised": bool(cycles.use_denoising),
        "isComposited": is_composited(scene),
        "triangles": triangles(scene),
    }


def made_size(render):
    """Of the file that comes of it: where the render region is cut out, its own size, as Blender rounds it (in 32 bits, and down)."""
    width = render.resolution_x * render.resolution_percentage // 100
    height = render.resolution_y * render.resolution_percentage // 100
    if not (render.use_border and render.use_crop_to_border):
        return width, height
    return (
        max(1, pixels(render.border_max_x, width) - pixels(render.border_min_x, width)),
        max(1, pixels(render.border_max_y, height) - pixels(render.border_min_y, height)),
    )


def pixels(part, whole):
    return int(struct.unpack("f", struct.pack("f", part * whole))[0])


def is_composited(scene):
    """Whether nodes make something else of what was rendered: the mean of such pictures is not the picture of the mean."""
    tree = compositor(scene)
    if not (scene.render.use_compositing and tree):
        return False
    # Since Blender 5 the end is that of a group.
    ends = [node for node in tree.nodes if node.type in ("COMPOSITE", "GROUP_OUTPUT")]
    links = [link for node in ends for one in node.inputs for link in one.links]
    return any(link.from_node.type != "R_LAYERS" or link.from_socket.name != link.to_socket.name for link in links)


def image_bytes(image):
    """What Cycles has of it in memory."""
    taken = 0
    for part in image.tiles if image.source == "TILED" else [image]:
        width, height = part.size
        taken += width * height * part.channels * (4 if image.is_float else 1)
        # One after the other: nobody has them all in memory yet.
        if image.source in ("FILE", "TILED") and image.packed_file is None and len(getattr(image, "packed_files", ())) == 0:
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
    for owner, what, is_known in unbaked():
        reason = "Each frame is rendered without those before it: a simulation that is not baked would differ"
        if is_known:
            yield "unbaked", f"A simulation is not baked: the {what} of '{owner}'. {reason}. Bake it first."
        else:
            yield "unbaked", f"Whether a simulation is packed into the .blend cannot be told: the {what} of '{owner}'. {reason}. Bake it first, if it is not."


def setting_warnings(scene):
    if scene.cycles.use_denoising and not has_denoiser():
        yield "denoiser", "The scene denoises, which this Blender cannot: frames would come out noisy."
    elif scene.cycles.use_denoising:
        yield "denoiser", "The scene denoises: denoised frames cannot be verified by crops and are checked in full."
    if scene.render.image_settings.file_format in VIDEO_FORMATS:
        yield "video", "The scene writes a video; frames are rendered as pictures, and the video is made of them at the end."
    tree = compositor(scene)
    if tree and any(node.type == "OUTPUT_FILE" for node in tree.nodes):
        yield "output", "File outputs of the compositor are left out: each frame is one file."
    if scene.render.use_multiview:
        yield "stereo", "The scene renders in stereo; one view is rendered."
    if scene.render.use_border:
        yield "border", "The scene renders only a part of the picture (render region)."


def memory_warnings(pictures):
    """By name, what keeps a scene from nodes that are too small for it."""
    if sum(pictures.values()) < PICTURE_BYTES_USUAL:
        return []
    largest = sorted(pictures, key=lambda name: (-pictures[name], name))[:3]
    sizes = ", ".join(f"'{name}' ({mebibytes(pictures[name])} MiB)" for name in largest)
    message = (
        f"The scene's pictures take {mebibytes(sum(pictures.values()))} MiB of memory, and nodes that have less are not given it."
        f" The largest: {sizes}. Make them smaller where no node is large enough."
    )
    return [{"code": "memory", "message": message}]


def mebibytes(size):
    return -(-size // 2**20)


def listed(names):
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")

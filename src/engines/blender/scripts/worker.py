"""A Blender that stays: reads commands as JSON lines from descriptor 3 and answers on descriptor 4.

Standard output belongs to Blender, which prints there as it likes; nothing that it prints can be taken for an answer.
Runs inside Blender 3.x and newer, without numpy. Each command has an `id`, and each gets exactly one answer with it:
`{"id", "ok": true, ...}` or `{"id", "ok": false, "kind": "scene" | "node" | "request", "message"}`.
"""
import json
import os
import queue
import sys
import threading
import time

import bpy

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import inspection  # noqa: E402  (found only once the folder is on the path)
import sampling  # noqa: E402
import scene_files  # noqa: E402
import simulations  # noqa: E402
from remapping import remap  # noqa: E402

commands = queue.Queue()
answers = os.fdopen(4, "w", buffering=1, encoding="utf-8")


class Refused(Exception):
    """What is wrong, in one sentence, and whose fault it is: `scene`, `node` or `request`."""

    def __init__(self, kind, message):
        super().__init__(message)
        self.kind = kind


def listen():
    """In a thread of its own, so that the end of the driver ends a Blender that is in the middle of a frame."""
    with os.fdopen(3, "r", encoding="utf-8") as lines:
        for line in lines:
            commands.put(line)
    os._exit(0)


def say(message):
    answers.write(json.dumps(message) + "\n")


def first_line(error):
    """Of an error of Blender's: what follows is its own trail."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).removeprefix("Error: ")[:500]


# --- load -------------------------------------------------------------------------------------------------------------


def load(command):
    path = command["file"]
    started = time.perf_counter()
    try:
        bpy.ops.wm.open_mainfile(filepath=path, load_ui=False, use_scripts=bool(command.get("runsScripts")))
    except RuntimeError as error:
        reason = first_line(error).rpartition(": ")[2].rstrip(".")
        advice = "It may be cut short: copy it again, or open it in your Blender and save it anew"
        raise Refused("scene", f"Blender {bpy.app.version_string} cannot open it: {reason}. {advice}") from error
    if tuple(bpy.data.version[:2]) > tuple(bpy.app.version[:2]):
        made_by = ".".join(str(part) for part in bpy.data.version[:2])
        raise Refused("scene", f"it was saved by Blender {made_by}, newer than {bpy.app.version_string}")
    name = command.get("scene")
    if name is not None:
        if name not in bpy.data.scenes:
            raise Refused("scene", f"it has no scene '{name}', only {', '.join(bpy.data.scenes.keys())}")
        bpy.context.window.scene = bpy.data.scenes[name]
    scene = bpy.context.scene
    if scene.render.engine != "CYCLES":
        raise Refused("scene", f"its render engine is {scene.render.engine}; only Cycles is rendered")
    if scene.camera is None:
        raise Refused("scene", f"the scene '{scene.name}' has no camera")
    remap(command.get("remap") or {})
    device = choose_device(scene, command["device"])
    prepare(scene, command)
    return {
        "scene": scene.name,
        "device": device,
        "loadMs": round((time.perf_counter() - started) * 1000),
        # What was rendered before shows in the next picture, and in one whose frames are rendered elsewhere it would not.
        "hasHistory": any(simulations.unbaked()),
    }


def choose_device(scene, wanted):
    """Sets what Cycles computes on and reads it back: a file cannot choose, and nothing falls back in silence."""
    preferences = bpy.context.preferences.addons["cycles"].preferences
    if wanted == "CPU":
        scene.cycles.device = "CPU"
        try:
            preferences.compute_device_type = "NONE"
        except TypeError:
            pass
        if scene.cycles.device != "CPU":
            raise Refused("node", "Cycles does not compute on the CPU here, though it was told to")
        return {"type": "CPU", "names": []}
    try:
        preferences.compute_device_type = wanted
    except TypeError as error:
        raise Refused("node", f"this Blender ({bpy.app.version_string}) cannot compute on {wanted}") from error
    preferences.get_devices()
    names = []
    for device in preferences.devices:
        device.use = device.type == wanted
        if device.use:
            names.append(device.name)
    scene.cycles.device = "GPU"
    has_active = preferences.has_active_device()
    if not names or not has_active or scene.cycles.device != "GPU" or preferences.compute_device_type != wanted:
        raise Refused("node", f"the job asks for a GPU ({wanted}), and Cycles finds none here that it could use")
    return {"type": wanted, "names": names}


def prepare(scene, command):
    """What holds for every frame of a session, whatever the file says."""
    render = scene.render
    render.use_persistent_data = True
    render.use_overwrite = True
    render.use_placeholder = False
    render.use_file_extension = True
    render.use_multiview = False
    render.use_single_layer = False
    render.use_sequencer = False
    # A limit in seconds would make the picture depend on how fast the node is.
    scene.cycles.time_limit = 0.0
    # Its noise differs with the number of threads: with it, 8-bit frames of two honest nodes could not be compared.
    render.dither_intensity = 0.0
    if command.get("threads"):
        render.threads_mode = "FIXED"
        render.threads = command["threads"]
    # Metadata tells which frame this is, and nothing of the machine; no dates, so that equal frames are equal files.
    for name in dir(render):
        if name.startswith("use_stamp"):
            setattr(render, name, False)
    render.use_stamp_note = True
    # Files that the compositor would write go nowhere: one frame is one file.
    for one in bpy.data.scenes:
        tree = scene_files.compositor(one)
        for node in tree.nodes if tree else []:
            if node.type == "OUTPUT_FILE":
                node.mute = True
    remember(scene)


original = {}


def remember(scene):
    cycles, render = scene.cycles, scene.render
    original.clear()
    original.update(
        samples=cycles.samples,
        seed=cycles.seed,
        adaptive=cycles.use_adaptive_sampling,
        denoise=cycles.use_denoising,
        percentage=render.resolution_percentage,
        resolution=(render.resolution_x, render.resolution_y),
        animated_seed=cycles.use_animated_seed,
        border=render.use_border,
        crop=render.use_crop_to_border,
        border_box=(render.border_min_x, render.border_max_x, render.border_min_y, render.border_max_y),
    )


# --- render -----------------------------------------------------------------------------------------------------------


def render(command):
    scene = bpy.context.scene
    if not original:
        raise Refused("request", "no scene is loaded")
    restore(scene)
    adjust(scene, command)
    set_format(scene, command)
    width, height = picture_size(scene)
    border = command.get("border")
    if border is not None:
        set_border(scene, border, width, height)
    out = command["out"]
    scene.render.filepath = out
    cycles = scene.cycles
    scene.render.stamp_note_text = (
        f"shoal scene={command.get('sceneHash') or '-'} frame={command['frame']} samples={sampling.taken(cycles)}"
        f" offset={cycles.sample_offset} seed={cycles.seed}"
    )
    cpu_started = time.process_time()
    try:
        scene.frame_set(command["frame"])
        bpy.ops.render.render(write_still=True, scene=scene.name)
    except RuntimeError as error:
        message = first_line(error)
        raise Refused("node" if is_of_node(message) else "scene", f"frame {command['frame']}: {message}") from error
    cpu_ended = time.process_time()
    if not os.path.isfile(out):
        raise Refused("scene", f"frame {command['frame']}: Blender wrote no picture")
    if command["device"] != "CPU" and scene.cycles.device != "GPU":
        raise Refused("node", "the job asks for a GPU, and the scene was switched to the CPU while it rendered")
    made_width, made_height = inspection.made_size(scene.render)
    return {
        "cpuMs": (cpu_ended - cpu_started) * 1000,
        "width": made_width,
        "height": made_height,
        "samples": sampling.taken(scene.cycles),
        "seed": scene.cycles.seed,
        "isDenoised": bool(scene.cycles.use_denoising),
        "isAdaptive": bool(scene.cycles.use_adaptive_sampling),
    }


def is_of_node(message):
    """Out of memory, a lost device: another node may well do it."""
    text = message.lower()
    return any(word in text for word in ("out of memory", "cuda", "optix", "hip error", "device", "memory"))


def restore(scene):
    cycles, r = scene.cycles, scene.render
    cycles.samples = original["samples"]
    cycles.seed = original["seed"]
    cycles.use_animated_seed = original["animated_seed"]
    cycles.use_adaptive_sampling = original["adaptive"]
    cycles.use_denoising = original["denoise"] and inspection.has_denoiser()
    sampling.take_all(cycles)
    r.resolution_percentage = original["percentage"]
    r.resolution_x, r.resolution_y = original["resolution"]
    r.use_border, r.use_crop_to_border = original["border"], original["crop"]
    r.border_min_x, r.border_max_x, r.border_min_y, r.border_max_y = original["border_box"]


def adjust(scene, command):
    cycles = scene.cycles
    if command.get("samples") is not None:
        cycles.samples = command["samples"]
    if command.get("seed") is not None:
        cycles.seed = command["seed"]
        cycles.use_animated_seed = False
    if command.get("sampleOffset") is not None:
        if inspection.is_composited(scene):
            raise Refused("scene", "the scene has compositor nodes, which need all samples in one place: render whole frames")
        # A part of the samples of a pixel: whether the pixel has had enough can be told from all of them alone.
        sampling.take_part(cycles, command["sampleOffset"], command.get("samplesOfStill") or original["samples"])
        cycles.use_adaptive_sampling = False
        cycles.use_denoising = False
    if command.get("isRaw"):
        cycles.use_denoising = False
    scale = command.get("scale")
    if scale is not None:
        # In pixels: whole percents would be off by a third where little is left, and costs are told by the area.
        r = scene.render
        width, height = picture_size(scene)
        r.resolution_x, r.resolution_y = max(4, round(width * scale)), max(4, round(height * scale))
        r.resolution_percentage = 100


def set_format(scene, command):
    settings = scene.render.image_settings
    has_alpha = scene.render.film_transparent or settings.color_mode == "RGBA"
    is_exr = command["format"] == "EXR"
    if hasattr(settings, "media_type"):
        # Since Blender 5 the formats of pictures cannot be chosen where the scene writes a video.
        settings.media_type = "IMAGE"
    settings.file_format = "OPEN_EXR" if is_exr else "PNG"
    settings.color_mode = "RGBA" if has_alpha else "RGB"
    settings.color_depth = str(command.get("depth") or (16 if is_exr else 8))
    if is_exr:
        settings.exr_codec = command.get("codec") or "ZIP"
        if hasattr(settings, "use_zbuffer"):
            # Before Blender 4, and off since.
            settings.use_zbuffer = False
    else:
        settings.compression = 15


def picture_size(scene):
    r = scene.render
    return r.resolution_x * r.resolution_percentage // 100, r.resolution_y * r.resolution_percentage // 100


def set_border(scene, border, width, height):
    """In pixels from the upper left. Blender cuts fractions of the picture down to whole pixels: a quarter keeps clear of the edge."""
    x, y, w, h = border["x"], border["y"], border["width"], border["height"]
    if x < 0 or y < 0 or w < 1 or h < 1 or x + w > width or y + h > height:
        raise Refused("request", f"the border {x},{y} {w}x{h} is not within the picture of {width}x{height}")
    bottom = height - y - h
    r = scene.render
    r.use_border = True
    r.use_crop_to_border = True
    # Each side may not pass the other, so the box is opened first.
    r.border_min_x, r.border_max_x, r.border_min_y, r.border_max_y = 0.0, 1.0, 0.0, 1.0
    r.border_min_x, r.border_max_x = (x + 0.25) / width, min(1.0, (x + w + 0.25) / width)
    r.border_min_y, r.border_max_y = (bottom + 0.25) / height, min(1.0, (bottom + h + 0.25) / height)


def develop(command):
    """Writes a picture in linear light, such as one merged from parts, as the scene would have it shown."""
    scene = bpy.context.scene
    set_format(scene, command)
    try:
        image = bpy.data.images.load(command["from"], check_existing=False)
    except RuntimeError as error:
        raise Refused("request", first_line(error)) from error
    image.save_render(command["out"], scene=scene)
    width, height = image.size
    bpy.data.images.remove(image)
    return {"width": width, "height": height}


def inspect(command):
    restore(bpy.context.scene)
    return inspection.inspect(command)


def leave(_command):
    return {}


handlers = {"load": load, "render": render, "develop": develop, "inspect": inspect, "quit": leave}


def answer(line):
    command = json.loads(line)
    try:
        result = handlers[command["do"]](command)
        say({"id": command["id"], "ok": True, **result})
    except Refused as refused:
        say({"id": command["id"], "ok": False, "kind": refused.kind, "message": str(refused)})
    except MemoryError:
        say({"id": command["id"], "ok": False, "kind": "node", "message": "Python ran out of memory"})
    except Exception as error:  # A fault of this program or of an add-on: told, not died of.
        message = f"{type(error).__name__}: {first_line(error)}"
        say({"id": command["id"], "ok": False, "kind": "scene", "message": message})
    return command["do"] != "quit"


threading.Thread(target=listen, daemon=True).start()
say({"event": "ready", "version": bpy.app.version_string, "hasDenoiser": inspection.has_denoiser()})
while answer(commands.get()):
    pass
# Blender's own way out frees what the system frees faster.
sys.stdout.flush()
os._exit(0)

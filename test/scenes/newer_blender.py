"""Stands in for `bpy` where a newer Blender cannot be had: what our script asks of it, with what Blender 4.5 and 5 changed.

`python3 newer_blender.py WORKER [MORE]`. MORE is a file of Python that adds to the scene, by the names here. A picture that it "renders" is a text: which samples Cycles would have taken, of how many
(RenderScheduler::set_sample_params), and what the file says of itself.
"""
import runpy
import sys
from types import ModuleType, SimpleNamespace


class Some(SimpleNamespace):
    """As Blender's own things: no name can be set that it does not have."""

    def __setattr__(self, name, value):
        getattr(self, name)
        super().__setattr__(name, value)


class ImageFormat(Some):
    def __setattr__(self, name, value):
        if name == "file_format" and (value == "FFMPEG") != (self.media_type == "VIDEO"):
            raise TypeError(f"bpy_struct: item.attr = val: enum '{value}' not found")
        super().__setattr__(name, value)


def a_node(kind, links=()):
    inputs = [Some(links=[Some(from_node=Some(type=of), from_socket=Some(name="Image"), to_socket=Some(name="Image"))]) for of in links]
    return Some(type=kind, inputs=inputs, mute=False)


cycles = Some(
    samples=100, seed=1, use_adaptive_sampling=False, use_denoising=False, use_animated_seed=False, device="CPU", time_limit=0.0,
    # As a scene that was saved while its owner rendered a part of it.
    use_sample_subset=True, sample_offset=40, sample_subset_length=7,
)
image_settings = ImageFormat(
    media_type="VIDEO", file_format="FFMPEG", color_mode="RGB", color_depth="8", compression=15, exr_codec="NONE", quality=90,
)
render = Some(
    engine="CYCLES", image_settings=image_settings, resolution_x=64, resolution_y=32, resolution_percentage=100, use_border=False,
    use_crop_to_border=False, border_min_x=0.0, border_max_x=1.0, border_min_y=0.0, border_max_y=1.0, use_compositing=True,
    film_transparent=False, filepath="", use_persistent_data=False, use_overwrite=True, use_placeholder=False,
    use_file_extension=True, use_multiview=False, use_single_layer=False, use_sequencer=True, dither_intensity=1.0,
    threads_mode="AUTO", threads=1, fps=24, fps_base=1.0, use_stamp=False, use_stamp_date=True, use_stamp_time=True, use_stamp_note=False,
    stamp_note_text="",
)
file_output = a_node("OUTPUT_FILE")
# No `node_tree`, and no node of the kind COMPOSITE.
group = Some(nodes=[a_node("GROUP_OUTPUT", ["R_LAYERS"]), file_output])
scene = Some(
    name="Scene", camera=Some(), render=render, cycles=cycles, compositing_node_group=group, frame_set=lambda _frame: None,
    frame_start=1, frame_end=3, frame_step=1, frame_current=1, objects=[], library=None, rigidbody_world=None, sequence_editor=None,
)


class Scenes(list):
    def keys(self):
        return [one.name for one in self]


def draw(write_still, scene):
    first, total = 0, cycles.samples
    count = total
    if cycles.use_sample_subset:
        first = cycles.sample_offset
        count = max(0, min(first + cycles.sample_subset_length, total) - first)
    taken = f"{first}+{count} of {total} as {image_settings.media_type}, file outputs {'off' if file_output.mute else 'on'}"
    with open(render.filepath, "w", encoding="utf-8") as file:
        file.write(f"{taken}\n{render.stamp_note_text}\n")


bpy = ModuleType("bpy")
bpy.app = Some(version=(5, 0, 0), version_string="5.0.0")
bpy.context = Some(
    scene=scene,
    window=Some(scene=scene),
    preferences=Some(addons={"cycles": Some(preferences=Some(compute_device_type="NONE"))}),
)
kinds = (
    "images", "sounds", "fonts", "movieclips", "cache_files", "volumes", "texts", "libraries", "objects", "materials", "worlds",
    "lights", "textures", "node_groups", "meshes", "cameras", "shape_keys", "armatures",
)
bpy.data = Some(version=(5, 0, 0), filepath="/shot/scene.blend", scenes=Scenes([scene]), **{kind: [] for kind in kinds})
bpy.path = Some(abspath=lambda path, start=None, library=None: path.replace("//", "/shot/", 1) if path.startswith("//") else path)
# Of the scene as Blender knows it: strips are among them.
blend_paths = []
bpy.utils = Some(blend_paths=lambda **_options: blend_paths)
bpy.ops = Some(wm=Some(open_mainfile=lambda **_options: None), render=Some(render=draw))
sys.modules["bpy"] = bpy
if len(sys.argv) > 2:
    exec(open(sys.argv[2], encoding="utf-8").read())
runpy.run_path(sys.argv[1], run_name="__main__")

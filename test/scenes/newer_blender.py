"""Stands in for `bpy` where a newer Blender cannot be had: what our script asks of it, with what Blender 4.5 and 5 changed.

`python3 newer_blender.py WORKER`. A picture that it "renders" is a text: which samples Cycles would have taken, of how many
(RenderScheduler::set_sample_params), and what the file says of itself.
"""
import runpy
import sys
from types import ModuleType, SimpleNamespace as Some


def a_node(kind, links=()):
    inputs = [Some(links=[Some(from_node=Some(type=of), from_socket=Some(name="Image"), to_socket=Some(name="Image"))]) for of in links]
    return Some(type=kind, inputs=inputs, mute=False)


cycles = Some(
    samples=100, seed=1, use_adaptive_sampling=False, use_denoising=False, use_animated_seed=False, device="CPU", time_limit=0.0,
    # As a scene that was saved while its owner rendered a part of it.
    use_sample_subset=True, sample_offset=40, sample_subset_length=7,
)
image_settings = Some(media_type="VIDEO", file_format="FFMPEG", color_mode="RGB")
render = Some(
    engine="CYCLES", image_settings=image_settings, resolution_x=64, resolution_y=32, resolution_percentage=100, use_border=False,
    use_crop_to_border=False, border_min_x=0.0, border_max_x=1.0, border_min_y=0.0, border_max_y=1.0, use_compositing=True,
    film_transparent=False, filepath="",
)
file_output = a_node("OUTPUT_FILE")
# No `node_tree`, and no node of the kind COMPOSITE.
group = Some(nodes=[a_node("GROUP_OUTPUT", ["R_LAYERS"]), file_output])
scene = Some(name="Scene", camera=Some(), render=render, cycles=cycles, compositing_node_group=group, frame_set=lambda _frame: None)


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
bpy.data = Some(version=(5, 0, 0), scenes=Scenes([scene]))
bpy.ops = Some(wm=Some(open_mainfile=lambda **_options: None), render=Some(render=draw))
sys.modules["bpy"] = bpy
runpy.run_path(sys.argv[1], run_name="__main__")

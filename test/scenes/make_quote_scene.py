"""Makes one of twelve scenes that cost their time in different places, for `bench/quotes.ts`. Run by Blender, without numpy:

    blender -b --factory-startup --python test/scenes/make_quote_scene.py -- KIND OUT.blend

Frames 1 to 48 of each; a frame takes from some hundredths of a second to three on one thread.
"""
import math
import os
import random
import sys

import bpy

FRAMES = 48


def main(kind, out):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.render.resolution_percentage = 100
    scene.frame_start, scene.frame_end = 1, FRAMES
    scene.cycles.use_adaptive_sampling = False
    scene.cycles.use_denoising = False
    scene.cycles.seed = 7
    sky(scene, (0.7, 0.8, 1.0), 0.7)
    lamp(scene, (3.0, -4.0, 7.0), 900.0, 2.0)
    kinds[kind](scene, random.Random(kind), os.path.dirname(out))
    bpy.ops.wm.save_as_mainfile(filepath=out, compress=False, relative_remap=True)


def size(scene, width, height, samples):
    scene.render.resolution_x, scene.render.resolution_y = width, height
    scene.cycles.samples = samples


# --- parts of scenes --------------------------------------------------------------------------------------------------


def sky(scene, color, strength):
    scene.world = bpy.data.worlds.new("World")
    scene.world.use_nodes = True
    background = scene.world.node_tree.nodes["Background"]
    background.inputs[0].default_value = (*color, 1.0)
    background.inputs[1].default_value = strength


def lamp(scene, location, energy, width):
    data = bpy.data.lights.new("Lamp", "AREA")
    data.energy, data.size = energy, width
    one = bpy.data.objects.new("Lamp", data)
    one.location = location
    scene.collection.objects.link(one)


def camera(scene, distance=9.0, height=4.0, turns=0.25):
    """Goes round the middle, `turns` times in the sequence."""
    one = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    pivot = bpy.data.objects.new("Pivot", None)
    scene.collection.objects.link(one)
    scene.collection.objects.link(pivot)
    scene.camera = one
    one.parent = pivot
    one.location = (0.0, -distance, height)
    one.rotation_euler = (math.atan2(distance, height), 0.0, 0.0)
    animate(pivot, "rotation_euler", {1: (0.0, 0.0, 0.0), FRAMES: (0.0, 0.0, turns * 2.0 * math.pi)})


def animate(owner, path, values):
    for frame, value in values.items():
        setattr(owner, path, value)
        owner.keyframe_insert(path, frame=frame)


def material(name, color, **inputs):
    one = bpy.data.materials.new(name)
    one.use_nodes = True
    bsdf = one.node_tree.nodes["Principled BSDF"]
    bsdf.inputs["Base Color"].default_value = (*color, 1.0)
    for key, value in inputs.items():
        bsdf.inputs[key.replace("_", " ").title()].default_value = value
    return one


def floor(look, width=40.0):
    bpy.ops.mesh.primitive_plane_add(size=width)
    bpy.context.object.data.materials.append(look)
    return bpy.context.object


def ball(look, location=(0.0, 0.0, 1.0), radius=1.0, subdivisions=4):
    bpy.ops.mesh.primitive_ico_sphere_add(subdivisions=subdivisions, radius=radius, location=location)
    bpy.context.object.data.materials.append(look)
    return bpy.context.object


def balls(scene, chance, looks, count, mesh=None):
    mesh = mesh or ball(looks[0]).data
    for at in range(count):
        one = bpy.data.objects.new(f"Ball {at}", mesh.copy())
        one.data.materials[0] = looks[at % len(looks)]
        radius = 0.15 + 0.35 * chance.random()
        one.scale = (radius, radius, radius)
        one.location = (chance.uniform(-4.0, 4.0), chance.uniform(-3.0, 4.0), radius + 2.0 * chance.random())
        scene.collection.objects.link(one)


def pale(chance, count=4):
    return [
        material(f"Pale {at}", (0.4 + 0.5 * chance.random(), 0.5, 0.3 + 0.5 * chance.random()), roughness=0.9)
        for at in range(count)
    ]


# --- the twelve -------------------------------------------------------------------------------------------------------


def heavy_samples(scene, chance, _folder):
    size(scene, 96, 64, 384)
    camera(scene)
    looks = pale(chance)
    floor(looks[0])
    balls(scene, chance, looks, 20)


def many_objects(scene, chance, _folder):
    size(scene, 160, 96, 24)
    camera(scene)
    looks = pale(chance)
    floor(looks[0])
    small = ball(looks[0], subdivisions=2).data
    balls(scene, chance, looks, 1_500, small)


def volume(scene, chance, _folder):
    size(scene, 144, 96, 16)
    camera(scene)
    looks = pale(chance)
    floor(looks[0])
    balls(scene, chance, looks, 8)
    bpy.ops.mesh.primitive_cube_add(size=7.0, location=(0.0, 0.0, 2.0))
    fog = bpy.data.materials.new("Fog")
    fog.use_nodes = True
    nodes, links = fog.node_tree.nodes, fog.node_tree.links
    nodes.remove(nodes["Principled BSDF"])
    body = nodes.new("ShaderNodeVolumePrincipled")
    noise = nodes.new("ShaderNodeTexNoise")
    noise.inputs["Scale"].default_value = 2.0
    links.new(noise.outputs["Fac"], body.inputs["Density"])
    links.new(body.outputs[0], nodes["Material Output"].inputs["Volume"])
    bpy.context.object.data.materials.append(fog)


def high_resolution(scene, chance, _folder):
    size(scene, 1280, 720, 1)
    camera(scene)
    looks = pale(chance)
    floor(looks[0])
    balls(scene, chance, looks, 30)


def motion(scene, chance, _folder):
    """A ball of glass comes from far off until it fills the picture, and goes: frames differ by a factor."""
    size(scene, 160, 120, 40)
    camera(scene, turns=0.0)
    floor(pale(chance, 1)[0])
    glass = material("Glass", (0.9, 0.95, 1.0), roughness=0.05, transmission=1.0)
    one = ball(glass, subdivisions=5)
    animate(one, "location", {1: (0.0, 30.0, 2.0), 30: (0.0, -5.0, 2.4), FRAMES: (0.0, 12.0, 2.4)})


def tiny_frames(scene, chance, _folder):
    size(scene, 64, 48, 24)
    camera(scene)
    looks = pale(chance)
    floor(looks[0])
    balls(scene, chance, looks, 6)


def adaptive(scene, chance, _folder):
    size(scene, 160, 96, 256)
    scene.cycles.use_adaptive_sampling = True
    scene.cycles.adaptive_threshold = 0.05
    camera(scene)
    looks = pale(chance)
    floor(looks[0])
    balls(scene, chance, looks, 16)


def textures(scene, chance, folder):
    size(scene, 192, 128, 24)
    camera(scene, turns=0.5)
    os.makedirs(os.path.join(folder, "textures"), exist_ok=True)
    looks = []
    for at in range(4):
        look = material(f"Textured {at}", (1.0, 1.0, 1.0), roughness=0.6)
        node = look.node_tree.nodes.new("ShaderNodeTexImage")
        node.image = picture(os.path.join(folder, "textures", f"checks-{at}.png"), chance)
        look.node_tree.links.new(node.outputs["Color"], look.node_tree.nodes["Principled BSDF"].inputs["Base Color"])
        looks.append(look)
    floor(looks[0], 12.0)
    bpy.ops.mesh.primitive_uv_sphere_add()
    bpy.context.object.data.materials.append(looks[0])
    balls(scene, chance, looks, 24, bpy.context.object.data)


def picture(path, chance):
    side = 1024
    image = bpy.data.images.new(os.path.basename(path), side, side)
    colors = [(chance.random(), chance.random(), chance.random(), 1.0) for _ in range(4)]
    rows = [[c for x in range(side) for c in colors[(x // 37 + row) % 4]] for row in range(4)]
    pixels = [value for y in range(side) for value in rows[y // 53 % 4]]
    image.pixels.foreach_set(pixels)
    image.filepath_raw = path
    image.file_format = "PNG"
    image.save()
    image.source = "FILE"
    return image


def subdivision(scene, chance, _folder):
    """A surface that is made anew for each frame."""
    size(scene, 160, 96, 24)
    camera(scene)
    floor(pale(chance, 1)[0])
    bpy.ops.mesh.primitive_grid_add(x_subdivisions=24, y_subdivisions=24, size=8.0, location=(0.0, 0.0, 1.0))
    one = bpy.context.object
    one.data.materials.append(pale(chance, 1)[0])
    wave = one.modifiers.new("Wave", "WAVE")
    wave.height, wave.width = 0.6, 1.5
    smooth = one.modifiers.new("Subdivision", "SUBSURF")
    smooth.levels = smooth.render_levels = 3


def instances(scene, chance, _folder):
    """Stones on every point of a field."""
    size(scene, 160, 96, 24)
    camera(scene)
    looks = pale(chance)
    floor(looks[0])
    bpy.ops.mesh.primitive_grid_add(x_subdivisions=60, y_subdivisions=60, size=12.0, location=(0.0, 0.0, 0.1))
    field = bpy.context.object
    stone = ball(looks[1], radius=0.08, subdivisions=3)
    stone.parent = field
    field.instance_type = "VERTS"
    animate(field, "location", {1: (0.0, 0.0, 0.1), FRAMES: (0.5, 0.5, 0.2)})


def glossy_bounces(scene, chance, _folder):
    size(scene, 160, 96, 32)
    scene.cycles.max_bounces = 24
    scene.cycles.glossy_bounces = scene.cycles.transmission_bounces = 24
    camera(scene)
    floor(material("Mirror", (0.9, 0.9, 0.9), metallic=1.0, roughness=0.02))
    looks = [
        material("Metal", (0.95, 0.8, 0.5), metallic=1.0, roughness=0.1),
        material("Glass", (0.9, 1.0, 0.95), transmission=1.0, roughness=0.0),
    ]
    balls(scene, chance, looks, 40)


def particles(scene, chance, _folder):
    """Hair on a ball that turns, with blur of what moves."""
    size(scene, 144, 96, 24)
    scene.render.use_motion_blur = True
    camera(scene)
    looks = pale(chance)
    floor(looks[0])
    one = ball(looks[1], radius=1.6, location=(0.0, 0.0, 2.0))
    bpy.ops.object.particle_system_add()
    hair = one.particle_systems[0].settings
    hair.type = "HAIR"
    hair.count, hair.hair_length = 3_000, 0.8
    animate(one, "rotation_euler", {1: (0.0, 0.0, 0.0), FRAMES: (0.0, 0.0, 3.0)})


kinds = {
    "heavy-samples": heavy_samples,
    "many-objects": many_objects,
    "volume": volume,
    "high-resolution": high_resolution,
    "motion": motion,
    "tiny-frames": tiny_frames,
    "adaptive": adaptive,
    "textures": textures,
    "subdivision": subdivision,
    "instances": instances,
    "glossy-bounces": glossy_bounces,
    "particles": particles,
}

if __name__ == "__main__":
    wanted, path = sys.argv[sys.argv.index("--") + 1 :]
    main(wanted, os.path.abspath(path))

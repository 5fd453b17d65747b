"""Makes a small scene of one kind, for tests and benchmarks. Run by Blender, without numpy:

    blender -b --factory-startup --python test/scenes/make_scene.py -- KIND OUT.blend [name=value ...]

Kinds: `diffuse`, `glossy` (metal, glass and a fog), `textured` (pictures in a folder beside the file), `noisy` (a small
lamp behind a wall). Values: width, height, samples, frames, spheres, seed, hostile (a script that registers itself).
"""
import math
import os
import random
import sys

import bpy

DEFAULTS = {"width": 64, "height": 64, "samples": 16, "frames": 8, "spheres": 24, "seed": 1, "subdivisions": 2}


def main(kind, out, values):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    chance = random.Random(values["seed"])
    scene = bpy.context.scene
    set_up(scene, values)
    add_camera(scene)
    materials = {"diffuse": diffuse, "glossy": glossy, "textured": textured, "noisy": noisy}[kind](
        scene, chance, os.path.dirname(out)
    )
    add_floor(materials[0])
    add_spheres(chance, materials, values)
    if "hostile" in values:
        text = bpy.data.texts.new("hostile.py")
        text.from_string(open(values["hostile"], encoding="utf-8").read())
        text.use_module = True
    bpy.ops.wm.save_as_mainfile(filepath=out, compress=False, relative_remap=True)


def set_up(scene, values):
    scene.render.engine = "CYCLES"
    scene.render.resolution_x, scene.render.resolution_y = values["width"], values["height"]
    scene.render.resolution_percentage = 100
    scene.frame_start, scene.frame_end = 1, values["frames"]
    cycles = scene.cycles
    cycles.samples = values["samples"]
    cycles.seed = values["seed"]
    cycles.use_adaptive_sampling = False
    cycles.use_denoising = False


def add_camera(scene):
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(camera)
    scene.camera = camera
    # Half a round in 48 frames, for as long as the scene is: neighbours differ a little everywhere.
    rounds = max(1, math.ceil(scene.frame_end / 48))
    pivot = bpy.data.objects.new("Pivot", None)
    scene.collection.objects.link(pivot)
    camera.parent = pivot
    camera.location = (0.0, -9.0, 4.0)
    camera.rotation_euler = (math.radians(66.0), 0.0, 0.0)
    for frame, angle in ((1, 0.0), (1 + 48 * rounds, math.pi * rounds)):
        pivot.rotation_euler = (0.0, 0.0, angle)
        pivot.keyframe_insert("rotation_euler", frame=frame)


def new_material(name):
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    return material, material.node_tree.nodes["Principled BSDF"]


def world(scene, color, strength):
    scene.world = bpy.data.worlds.new("World")
    scene.world.use_nodes = True
    background = scene.world.node_tree.nodes["Background"]
    background.inputs[0].default_value = (*color, 1.0)
    background.inputs[1].default_value = strength


def lamp(scene, location, energy, size):
    data = bpy.data.lights.new("Lamp", "AREA")
    data.energy, data.size = energy, size
    one = bpy.data.objects.new("Lamp", data)
    one.location = location
    scene.collection.objects.link(one)


def diffuse(scene, chance, _folder):
    world(scene, (0.6, 0.7, 1.0), 0.6)
    lamp(scene, (2.0, -2.0, 6.0), 500.0, 2.0)
    found = []
    for at in range(5):
        material, bsdf = new_material(f"Diffuse {at}")
        bsdf.inputs["Base Color"].default_value = (chance.random(), chance.random(), chance.random(), 1.0)
        bsdf.inputs["Roughness"].default_value = 1.0
        found.append(material)
    return found


def glossy(scene, chance, _folder):
    world(scene, (0.8, 0.8, 0.9), 0.4)
    lamp(scene, (0.0, 0.0, 7.0), 700.0, 3.0)
    found = []
    for at in range(5):
        material, bsdf = new_material(f"Glossy {at}")
        bsdf.inputs["Base Color"].default_value = (chance.random(), chance.random(), chance.random(), 1.0)
        bsdf.inputs["Metallic"].default_value = 1.0 if at % 2 else 0.0
        bsdf.inputs["Roughness"].default_value = 0.05 + 0.3 * chance.random()
        bsdf.inputs["Transmission"].default_value = 0.9 if at == 2 else 0.0
        if at == 3:
            bsdf.inputs["Emission"].default_value = (1.0, 0.4, 0.1, 1.0)
            bsdf.inputs["Emission Strength"].default_value = 3.0
        found.append(material)
    return found


def textured(scene, chance, folder):
    world(scene, (1.0, 0.95, 0.9), 0.8)
    lamp(scene, (-3.0, -3.0, 6.0), 400.0, 1.0)
    found = []
    os.makedirs(os.path.join(folder, "textures"), exist_ok=True)
    for at in range(4):
        material, bsdf = new_material(f"Textured {at}")
        node = material.node_tree.nodes.new("ShaderNodeTexImage")
        node.image = picture(os.path.join(folder, "textures", f"checks-{at}.png"), chance)
        material.node_tree.links.new(node.outputs["Color"], bsdf.inputs["Base Color"])
        found.append(material)
    return found


def picture(path, chance):
    size = 64
    image = bpy.data.images.new(os.path.basename(path), size, size)
    colors = [(chance.random(), chance.random(), chance.random(), 1.0) for _ in range(4)]
    pixels = []
    for y in range(size):
        for x in range(size):
            r, g, b, a = colors[(x // 5 + y // 7) % 4]
            dim = 0.7 + 0.3 * chance.random()
            pixels += (r * dim, g * dim, b * dim, a)
    image.pixels.foreach_set(pixels)
    image.filepath_raw = path
    image.file_format = "PNG"
    image.save()
    image.source = "FILE"
    return image


def noisy(scene, chance, _folder):
    world(scene, (0.02, 0.02, 0.03), 1.0)
    lamp(scene, (0.0, 5.0, 3.0), 3000.0, 0.1)
    bpy.ops.mesh.primitive_cube_add(size=1.0, location=(0.0, 3.5, 1.5))
    bpy.context.object.scale = (4.0, 0.1, 1.5)
    return diffuse_materials(chance)


def diffuse_materials(chance):
    found = []
    for at in range(4):
        material, bsdf = new_material(f"Pale {at}")
        value = 0.5 + 0.4 * chance.random()
        bsdf.inputs["Base Color"].default_value = (value, value * 0.9, value * 0.8, 1.0)
        found.append(material)
    return found


def add_floor(material):
    bpy.ops.mesh.primitive_plane_add(size=40.0)
    floor = bpy.context.object
    floor.data.materials.append(material)


def add_spheres(chance, materials, values):
    bpy.ops.mesh.primitive_ico_sphere_add(subdivisions=values["subdivisions"], radius=1.0)
    first = bpy.context.object
    mesh = first.data
    for at in range(values["spheres"]):
        one = first if at == 0 else bpy.data.objects.new(f"Sphere {at}", mesh.copy())
        if at > 0:
            bpy.context.scene.collection.objects.link(one)
        radius = 0.2 + 0.5 * chance.random()
        one.scale = (radius, radius, radius)
        one.location = (chance.uniform(-4.0, 4.0), chance.uniform(-3.0, 4.0), radius)
        one.data.materials.clear()
        one.data.materials.append(materials[at % len(materials)])
        one.keyframe_insert("location", index=2, frame=1)
        one.location.z += 0.5 * chance.random()
        one.keyframe_insert("location", index=2, frame=24)


def parse(pairs):
    values = dict(DEFAULTS)
    for pair in pairs:
        name, value = pair.split("=", 1)
        values[name] = int(value) if name in DEFAULTS else value
    return values


kind, out, *pairs = sys.argv[sys.argv.index("--") + 1 :]
main(kind, os.path.abspath(out), parse(pairs))

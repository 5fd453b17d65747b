"""Makes the scene by which nodes measure their speed. Run by Blender: `--python calibration.py -- OUT.blend`.

What is in it must never change: the speeds of all nodes are told by it (`measure-speed.ts`).
"""
import math
import sys

import bpy


def main(out):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.render.resolution_x = scene.render.resolution_y = 128
    scene.render.resolution_percentage = 100
    scene.frame_start, scene.frame_end = 1, 100
    cycles = scene.cycles
    cycles.samples, cycles.seed = 24, 1
    cycles.use_adaptive_sampling = cycles.use_denoising = False
    cycles.max_bounces = 8
    world = bpy.data.worlds.new("World")
    world.use_nodes = True
    world.node_tree.nodes["Background"].inputs[1].default_value = 0.5
    scene.world = world
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    camera.location, camera.rotation_euler = (0.0, -9.0, 4.0), (math.radians(66.0), 0.0, 0.0)
    scene.collection.objects.link(camera)
    scene.camera = camera
    lamp = bpy.data.objects.new("Lamp", bpy.data.lights.new("Lamp", type="AREA"))
    lamp.data.energy, lamp.data.size = 800.0, 3.0
    lamp.location = (3.0, -3.0, 6.0)
    scene.collection.objects.link(lamp)
    bpy.ops.mesh.primitive_plane_add(size=40)
    bpy.context.object.data.materials.append(material("Floor", (0.6, 0.6, 0.55, 1.0), 0.0, 0.8))
    bpy.ops.mesh.primitive_ico_sphere_add(subdivisions=5, radius=0.5)
    bpy.ops.object.shade_smooth()
    ball = bpy.context.object
    ball.data.materials.append(None)
    for at in range(25):
        one = ball if at == 0 else bpy.data.objects.new(f"Ball {at}", ball.data)
        one.location = ((at % 5 - 2) * 1.3, (at // 5 - 2) * 1.3, 0.5)
        if at > 0:
            scene.collection.objects.link(one)
        color = (0.2 + 0.15 * (at % 5), 0.2 + 0.15 * (at // 5), 0.4, 1.0)
        one.material_slots[0].link = "OBJECT"
        one.material_slots[0].material = material(f"Ball {at}", color, float(at % 2), 0.1 + 0.03 * at)
    bpy.ops.wm.save_as_mainfile(filepath=out, compress=False)


def material(name, color, metallic, roughness):
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    inputs = made.node_tree.nodes["Principled BSDF"].inputs
    inputs["Base Color"].default_value = color
    inputs["Metallic"].default_value = metallic
    inputs["Roughness"].default_value = roughness
    return made


main(sys.argv[sys.argv.index("--") + 1])

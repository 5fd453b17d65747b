"""Makes a scene of 100 MB and more: blender -b --factory-startup -P make-scene.py -- KIND FILE [compressed]

KIND is `heavy` (a few dense meshes) or `crowd` (thousands of small objects with materials of their own).
"""
import bpy
import math
import sys
from array import array

kind, path, *rest = sys.argv[sys.argv.index('--') + 1:]
bpy.ops.wm.read_factory_settings(use_empty=True)


def grid(name, side, phase):
    mesh = bpy.data.meshes.new(name)
    n = side + 1
    mesh.vertices.add(n * n)
    co = array('f', (v for y in range(n) for x in range(n)
                     for v in (x / side, y / side, math.sin(x * 0.3 + phase) * math.cos(y * 0.2) * 0.1)))
    mesh.vertices.foreach_set('co', co)
    mesh.loops.add(side * side * 4)
    mesh.loops.foreach_set('vertex_index', array('i', (i for y in range(side) for x in range(side)
                                                      for i in (y * n + x, y * n + x + 1, (y + 1) * n + x + 1, (y + 1) * n + x))))
    mesh.polygons.add(side * side)
    mesh.polygons.foreach_set('loop_start', array('i', range(0, side * side * 4, 4)))
    mesh.polygons.foreach_set('loop_total', array('i', [4] * (side * side)))
    mesh.update(calc_edges=True)
    return mesh


def place(name, mesh, index):
    thing = bpy.data.objects.new(name, mesh)
    thing.location = (index % 50 * 1.2, index // 50 * 1.2, 0)
    bpy.context.scene.collection.objects.link(thing)


if kind == 'heavy':
    for index in range(6):
        place('Sheet.%d' % index, grid('Sheet.%d' % index, 500, index), index)
else:
    for index in range(6000):
        mesh = grid('Bit.%d' % index, 13, index)
        if index % 4 == 0:
            material = bpy.data.materials.new('Paint.%d' % index)
            material.use_nodes = True
            mesh.materials.append(material)
        place('Bit.%d' % index, mesh, index)
bpy.ops.wm.save_as_mainfile(filepath=path, compress='compressed' in rest)

"""Opens a scene, edits one object and saves it elsewhere: blender -b FILE --factory-startup -P edit-scene.py -- OUT EDIT

EDIT is `move` (where an object is), `shape` (its mesh) or `add` (one more object).
"""
import bpy
import sys

out, edit = sys.argv[sys.argv.index('--') + 1:][:2]
things = sorted(bpy.data.objects, key=lambda thing: thing.name)
thing = things[len(things) // 2]
if edit == 'move':
    thing.location.z += 0.25
elif edit == 'shape':
    for vertex in thing.data.vertices:
        vertex.co.z *= 1.5
else:
    copy = thing.copy()
    copy.data = thing.data.copy()
    copy.location.x += 3
    bpy.context.scene.collection.objects.link(copy)
bpy.ops.wm.save_as_mainfile(filepath=out, compress=bpy.data.filepath.endswith('.packed.blend'))

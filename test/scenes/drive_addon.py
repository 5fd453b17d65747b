"""Installs the add-on as a user does, and uses it. Run by Blender in the background:

    blender -b --factory-startup --python test/scenes/drive_addon.py -- ADDON OUT.json STEPS.json

STEPS is a list of what to do, each answered by one entry of OUT: what the panel would show, or what was reported.
"""
import json
import os
import sys
import time

import bpy


def main(addon, out, steps):
    bpy.ops.preferences.addon_install(filepath=addon, overwrite=True)
    bpy.ops.preferences.addon_enable(module="shoal_render")
    module = sys.modules["shoal_render"]
    answers = []
    for step in json.load(open(steps, encoding="utf-8")):
        answers.append(do(module, step))
    bpy.ops.preferences.addon_disable(module="shoal_render")
    answers.append({"isGone": not hasattr(bpy.types.Scene, "shoal")})
    with open(out, "w", encoding="utf-8") as file:
        json.dump(answers, file)


def do(module, step):
    kind = step["do"]
    if kind == "preferences":
        preferences = bpy.context.preferences.addons["shoal_render"].preferences
        for name, value in step["values"].items():
            setattr(preferences, name, value)
        return {}
    if kind == "settings":
        for name, value in step["values"].items():
            setattr(bpy.context.scene.shoal, name, value)
        return {}
    if kind == "engine":
        bpy.context.scene.render.engine = step["engine"]
        return {}
    if kind == "save":
        bpy.ops.wm.save_as_mainfile(filepath=step["path"])
        return {"isDirty": bpy.data.is_dirty}
    if kind == "change":
        bpy.ops.mesh.primitive_cube_add()
        # In the background, nothing else says that there is something to save.
        bpy.ops.ed.undo_push(message="cube")
        return {"isDirty": bpy.data.is_dirty}
    if kind == "submit":
        try:
            return {"result": sorted(bpy.ops.shoal.submit())}
        except RuntimeError as error:
            return {"error": str(error).strip()}
    if kind == "cancel":
        return {"result": sorted(bpy.ops.shoal.cancel())}
    if kind == "wait":
        return wait(module, step["until"])
    if kind == "tick":
        try:
            return {"again": module.tick()}
        except RuntimeError as error:
            return {"error": str(error).strip()}
    raise ValueError(kind)


def wait(module, until):
    seen = []
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        state = module.current.snapshot()
        if not seen or seen[-1] != state:
            seen.append(state)
        if until in (state["stage"], state["text"]) or module.current.is_over:
            break
        time.sleep(0.02)
    return {"seen": seen, "files": sorted(os.listdir(os.path.dirname(bpy.data.filepath)))}


addon, out, steps = sys.argv[sys.argv.index("--") + 1 :]
main(addon, out, steps)

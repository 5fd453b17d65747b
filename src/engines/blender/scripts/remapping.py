"""Leads a scene to its files where they do not lie as on the machine that it was made on."""
import bpy

from paths import absolute
from scene_files import FILE_KINDS, file_nodes
from simulations import BAKE_FOLDERS, point_caches


def remap(table):
    """Files that lay elsewhere on the machine of whoever made the scene, by the path that the scene names."""
    if not table:
        return
    seen = set()
    # A library that is found may name others.
    while waiting := [library for library in bpy.data.libraries if library.name not in seen]:
        for library in waiting:
            seen.add(library.name)
            target = new_place(table, absolute(library.filepath, library.library))
            if target is not None:
                library.filepath = target
                library.reload()
    for kind in FILE_KINDS:
        for block in getattr(bpy.data, kind):
            move(table, block, "filepath", block.library)
    for one in bpy.data.objects:
        for modifier in one.modifiers:
            if modifier.type in ("MESH_CACHE", "OCEAN"):
                move(table, modifier, "filepath", one.library)
            elif modifier.type == "FLUID" and modifier.fluid_type == "DOMAIN":
                move(table, modifier.domain_settings, "cache_directory", one.library)
            elif modifier.type == "NODES":
                move_bakes(table, modifier, one.library)
    for _owner, _what, cache, library in point_caches():
        if cache.use_external:
            move(table, cache, "filepath", library)
    for cache in bpy.data.cache_files:
        for layer in getattr(cache, "layers", ()):
            move(table, layer, "filepath", cache.library)
    for owner, node in file_nodes():
        move(table, node, "filepath", owner.library)


def move_bakes(table, modifier, library):
    for name in BAKE_FOLDERS:
        if hasattr(modifier, name):
            move(table, modifier, name, library)
    for bake in getattr(modifier, "bakes", ()):
        if bake.use_custom_path:
            move(table, bake, "directory", library)


def move(table, owner, name, library):
    path = getattr(owner, name)
    target = new_place(table, absolute(path, library)) if path else None
    if target is not None:
        setattr(owner, name, target)


def new_place(table, path):
    """By the path itself, or by a folder that it is below; what is below the new place already stays."""
    if path in table:
        return table[path]
    for folder, to in table.items():
        if folder.endswith("/") and path.startswith(folder) and not path.startswith(to):
            return to + path[len(folder) :]
    return None

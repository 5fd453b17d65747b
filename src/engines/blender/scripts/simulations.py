"""What a scene simulates: how far it is baked, and where."""
import os
import re

import bpy

from paths import absolute

SIMULATIONS = {"CLOTH": "cloth", "SOFT_BODY": "soft body", "DYNAMIC_PAINT": "dynamic paint"}
# The copy that the add-on sends of a scene with changes that are not saved; its caches lie beside the scene itself.
COPY = re.compile(r"\.shoal-\d+(?=\.blend$)")

# Where a modifier keeps what its geometry nodes bake: since Blender 4.1, and in the two releases before.
BAKE_FOLDERS = ("bake_directory", "simulation_bake_directory")
SIMULATION = "GeometryNodeSimulationOutput"


def point_caches():
    """Of every simulation but fluids: its owner, what it is, its cache, and the library that it is from."""
    for one in bpy.data.objects:
        for modifier in one.modifiers:
            if modifier.type in ("CLOTH", "SOFT_BODY"):
                yield one.name, SIMULATIONS[modifier.type], modifier.point_cache, one.library
            elif modifier.type == "DYNAMIC_PAINT" and modifier.canvas_settings:
                for surface in modifier.canvas_settings.canvas_surfaces:
                    if surface.surface_format != "IMAGE":
                        yield one.name, SIMULATIONS[modifier.type], surface.point_cache, one.library
        for system in one.particle_systems:
            if system.settings.type == "EMITTER" or system.use_hair_dynamics:
                yield one.name, f"particle system '{system.name}'", system.point_cache, one.library
    for scene in bpy.data.scenes:
        world = scene.rigidbody_world
        if world is not None and world.collection and len(world.collection.objects) > 0:
            yield scene.name, "rigid bodies", world.point_cache, scene.library


def cache_folder(cache, library):
    """Where a cache lies on the disk; `None` for one in the scene itself."""
    if cache.use_external:
        return absolute(cache.filepath, library) if cache.filepath else None
    if not cache.use_disk_cache:
        return None
    is_linked = library is not None and cache.use_library_path
    scene = absolute(library.filepath, library.library) if is_linked else bpy.data.filepath
    folder, name = os.path.split(scene)
    return os.path.join(folder, "blendcache_" + COPY.sub("", name).removesuffix(".blend"))


def simulation_folders():
    for owner, _what, cache, library in point_caches():
        path = cache_folder(cache, library)
        # One that is not baked is told as that.
        if path is not None and (cache.is_baked or os.path.isdir(path)):
            yield owner, path
    for one in bpy.data.objects:
        for modifier in one.modifiers:
            if modifier.type == "FLUID" and modifier.fluid_type == "DOMAIN":
                yield one.name, absolute(modifier.domain_settings.cache_directory, one.library)
            elif modifier.type == "MESH_CACHE" and modifier.filepath:
                yield one.name, absolute(modifier.filepath, one.library)
            elif modifier.type == "OCEAN" and modifier.is_cached and modifier.filepath:
                yield one.name, absolute(modifier.filepath, one.library)
    for owner, _is_simulation, is_packed, roots in node_bakes():
        for root in roots:
            # What is packed into the scene may lie on the disk as well.
            if not is_packed or os.path.isdir(root):
                yield owner, root


def node_bakes():
    """
    Of what geometry nodes bake, each: its owner, whether it is a simulation, whether it is meant to be packed into the scene,
    and the folders where it is looked for on the disk. Whether something is packed, Blender does not say.
    """
    for one in bpy.data.objects:
        for modifier in one.modifiers:
            if modifier.type != "NODES" or modifier.node_group is None:
                continue
            names = [getattr(modifier, name, "") for name in BAKE_FOLDERS]
            own = [absolute(name, one.library) for name in names if name]
            if hasattr(modifier, "bakes"):
                for bake in modifier.bakes:
                    is_simulation = bake.node is not None and bake.node.bl_idname == SIMULATION
                    roots = own
                    if bake.use_custom_path:
                        roots = [absolute(bake.directory, one.library)] if bake.directory else []
                    yield one.name, is_simulation, is_packed(modifier, bake), roots
            elif simulates(modifier.node_group, set()):
                yield one.name, True, False, own


def is_packed(modifier, bake):
    """Before Blender 4.3 nothing is."""
    target = getattr(bake, "bake_target", "DISK")
    return (modifier.bake_target if target == "INHERIT" else target) == "PACKED"


def simulates(group, seen):
    """Whether a group or one in it has a simulation zone."""
    if group is None or group.name in seen:
        return False
    seen.add(group.name)
    return any(
        node.bl_idname == SIMULATION or simulates(getattr(node, "node_tree", None), seen) for node in group.nodes
    )


def is_on_disk(roots):
    """In a folder of its own, or in one for each bake of the modifier."""
    for root in roots:
        names = os.listdir(root) if os.path.isdir(root) else []
        if any(os.path.isdir(os.path.join(root, *way, "meta")) for way in ((), *((name,) for name in names))):
            return True
    return False


def unbaked():
    """Each simulation that is not baked, or of which that cannot be told: its owner, what it is, whether that is known."""
    for owner, what, cache, _library in point_caches():
        if not cache.is_baked:
            yield owner, what, True
    for one in bpy.data.objects:
        for modifier in one.modifiers:
            if modifier.type == "FLUID" and modifier.fluid_type == "DOMAIN":
                if not modifier.domain_settings.has_cache_baked_data:
                    yield one.name, "fluid", True
    for owner, is_simulation, is_packed_one, roots in node_bakes():
        if is_simulation and not is_on_disk(roots):
            yield owner, "simulation zone", not is_packed_one

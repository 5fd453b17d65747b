"""Where the paths of a scene lead."""
import os
import re

import bpy


def absolute(path, library=None):
    """As the scene means it, without `.` and `..`; a path of Windows stays as it is."""
    if re.match(r"^[A-Za-z]:[\\/]|^\\\\", path):
        return path
    return os.path.normpath(bpy.path.abspath(path, library=library))

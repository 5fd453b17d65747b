"""Shoal: renders the open scene on a Shoal network, from Blender's render properties.

Install it by Edit > Preferences > Add-ons > Install, and say there where the network is. It runs the `shoal` command line,
which looks at the scene, uploads what changed and asks for a quote; then it shows how far the job is and brings the
frames home. Needs Blender 3.4 or newer, and nothing beyond it and `shoal`.
"""
# SPDX-License-Identifier: Apache-2.0
import collections
import json
import os
import shutil
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request

import bpy
from bpy.props import BoolProperty, FloatProperty, StringProperty

bl_info = {
    "name": "Shoal",
    "description": "Render the open scene on a Shoal network",
    "author": "The Shoal authors",
    "version": (1, 0, 0),
    "blender": (3, 4, 0),
    "location": "Properties > Render > Shoal",
    "category": "Render",
}

POLL_SECONDS = 1.0
CALL_SECONDS = 15.0
# A fetch that ends while the job goes on is begun anew: soon, and ever later where it does not get on.
FETCH_AGAIN_SECONDS = 1.0
FETCH_AGAIN_SECONDS_MAX = 60.0
# A network that restarts is away for a few seconds; longer, and the panel says so. The job goes on without us.
OVER = ("completed", "cancelled")
# The key, or the job, is unknown: said so often in a row that it is no proxy on its way up, asking again is in vain.
REFUSED = (401, 403, 404)
REFUSED_MAX = 3


class Trouble(Exception):
    """What to tell the user, as a sentence."""

    def __init__(self, text, status=0):
        super().__init__(text)
        # What the network answered, where it did.
        self.status = status


class Lost(Trouble):
    """Whether the job goes on cannot be asked any more, so that nothing here may say that it ended."""


class Connection:
    """Where the network is: empty fields are what `shoal` keeps in its own data folder."""

    def __init__(self, program="shoal", url="", key=""):
        self.program = program.strip() or "shoal"
        self.url = url.strip().rstrip("/")
        self.key = key.strip()

    def environment(self):
        """Not on the command line, where every user of the machine can read it."""
        env = dict(os.environ)
        if self.url:
            env["SHOAL_URL"] = self.url
        if self.key:
            env["SHOAL_API_KEY"] = self.key
        return env

    def command(self, *words):
        program = shutil.which(os.path.expanduser(self.program))
        if program is None:
            raise Trouble(
                "There is no program '%s'. Install Shoal as its documentation says (docs/operating/install.md), or name its path in the add-on's preferences."
                % self.program
            )
        return [program, *words]

    def call(self, method, path, body=None):
        """One call of the API. Raises Trouble with what the network said."""
        url, key = self.resolved()
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url + path, data=data, method=method)
        request.add_header("authorization", "Bearer " + key)
        if data is not None:
            request.add_header("content-type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=CALL_SECONDS, context=trusted(url)) as reply:
                return json.loads(reply.read())
        except urllib.error.HTTPError as error:
            text = problem_text(error.read().decode("utf-8", "replace")) or "The network said %d." % error.code
            raise Trouble(text, error.code)
        except (urllib.error.URLError, OSError, ValueError) as error:
            raise Trouble("The network at %s does not answer: %s." % (url, getattr(error, "reason", error)))

    def resolved(self):
        """URL and key, from the preferences or from what `shoal up` keeps in the home folder."""
        url = self.url or os.environ.get("SHOAL_URL", "")
        key = self.key or os.environ.get("SHOAL_API_KEY", "")
        kept = os.path.join(os.path.expanduser("~"), ".shoal", "credentials.json")
        if (not url or not key) and os.path.exists(kept):
            with open(kept, encoding="utf-8") as file:
                known = json.load(file)
            own = known.get("apiUrl") or known.get("url") or ""
            key = key or (known.get("apiKey", "") if not url or url.rstrip("/") == own.rstrip("/") else "")
            url = url or own
        if not url:
            raise Trouble("No network is known: give its address in the add-on's preferences, or start one with `shoal up`.")
        if not key:
            raise Trouble("No key is known for %s: give one in the add-on's preferences." % url)
        return url.rstrip("/"), key


def trusted(url):
    if not url.startswith("https:"):
        return None
    authorities = os.environ.get("SHOAL_CA")
    context = ssl.create_default_context()
    if authorities:
        context.load_verify_locations(cafile=authorities)
    return context


def problem_of(text):
    """What `shoal` or the network said of what went wrong as JSON; empty where it did not."""
    for part in (text, *reversed(text.splitlines())):
        try:
            found = json.loads(part)
        except ValueError:
            continue
        if isinstance(found, dict):
            found = found.get("error", found)
        if isinstance(found, dict) and (found.get("detail") or found.get("message")):
            return found
    return {}


def problem_text(text):
    """The sentence in what `shoal` or the network printed: a problem as JSON, or the last line."""
    found = problem_of(text)
    if found:
        return str(found.get("detail") or found.get("message"))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].removeprefix("shoal: ") if lines else ""


class Fetch:
    """One run of `shoal job fetch`. What it says is read as it comes: a pipe that nobody empties would stop it once it is full."""

    def __init__(self, connection, words):
        try:
            self._process = subprocess.Popen(
                connection.command("job", "fetch", *words),
                env=connection.environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                errors="replace",
            )
        except OSError as error:
            raise Trouble("shoal does not start: %s." % error)
        # How it ended is in its last lines.
        self._said = collections.deque(maxlen=100)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._process.stderr:
            self._said.append(line)

    @property
    def is_running(self):
        return self._process.poll() is None

    def terminate(self):
        if self.is_running:
            self._process.terminate()

    def end(self):
        """Waits for it. What went wrong, as a sentence; None where all is here."""
        code = self._process.wait()
        self._reader.join(5.0)
        return None if code == 0 else problem_text("".join(self._said)) or "It ended with code %d." % code


class RenderJob:
    """One submission, from the file on disk to the frames in the folder. Works in threads of its own; `snapshot` tells how far."""

    def __init__(self, connection, scene_file, options, temporary=None):
        self.connection = connection
        self.scene_file = scene_file
        self.options = options
        self._temporary = temporary
        self._lock = threading.Lock()
        self._process = None
        self._fetch = None
        self._fetch_again = (0.0, FETCH_AGAIN_SECONDS)
        self._is_closed = False
        self._is_cancelled = False
        self._state = {"stage": "submitting", "text": "Looking at the scene …", "progress": 0.0, "job_id": "", "warnings": []}
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self._thread.start()
        return self

    def snapshot(self):
        """`stage` is submitting, running, done, cancelled or failed."""
        with self._lock:
            return dict(self._state)

    @property
    def is_over(self):
        return self.snapshot()["stage"] in ("done", "cancelled", "failed")

    def cancel(self):
        """Ends it: before there is a job by ending `shoal`, afterwards by asking the network."""
        with self._lock:
            self._is_cancelled = True
            job_id = self._state["job_id"]
            process = self._process
        if job_id:
            threading.Thread(target=self._cancel_job, args=(job_id,), daemon=True).start()
        elif process is not None and process.poll() is None:
            process.terminate()

    def wait(self, seconds):
        self._thread.join(seconds)
        return self.is_over

    def close(self):
        """Blender quits: what runs here ends, the job goes on."""
        self._is_closed = True
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
        if self._fetch is not None:
            self._fetch.terminate()
        self._remove_temporary()

    def _tell(self, **changes):
        with self._lock:
            self._state.update(changes)

    def _run(self):
        try:
            try:
                job = self._submit()
            finally:
                # All of it is sent once there is a job, which may go on for hours and without Blender.
                self._remove_temporary()
            self._tell(stage="running", job_id=job["jobId"])
            self._show(job)
            if self._is_cancelled:
                self._cancel_job(job["jobId"])
            self._follow(job["jobId"])
        except Trouble as trouble:
            if self._is_cancelled and not isinstance(trouble, Lost):
                self._tell(stage="cancelled", text="Cancelled.")
            else:
                self._tell(stage="failed", text=str(trouble))
        except Exception as error:  # A bug of ours must not leave a panel that waits for ever.
            self._tell(stage="failed", text="The add-on failed: %r." % (error,))

    def _submit(self):
        options = self.options
        words = ["--json", "render", self.scene_file, "--yes", "--out", options["folder"]]
        for name in ("frames", "budget", "scene", "format", "video", "blender"):
            if options.get(name):
                words.append("--%s=%s" % (name, options[name]))
        command = self.connection.command(*words)
        try:
            process = subprocess.Popen(
                command,
                env=self.connection.environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                errors="replace",
            )
        except OSError as error:
            raise Trouble("%s does not start: %s." % (command[0], error))
        with self._lock:
            self._process = process
        if self._is_cancelled:
            process.terminate()
        said = []
        reader = threading.Thread(target=self._read, args=(process.stderr, said), daemon=True)
        reader.start()
        printed = process.stdout.read()
        code = process.wait()
        reader.join(5.0)
        if code != 0 and problem_of("".join(said)).get("mayHaveBegun"):
            raise Lost(problem_text("".join(said)))
        if self._is_cancelled and code != 0:
            raise Trouble("Cancelled.")
        if code != 0:
            raise Trouble(problem_text("".join(said)) or problem_text(printed) or "shoal ended with code %d." % code)
        try:
            job = json.loads(printed)
            job["jobId"]
        except (ValueError, KeyError, TypeError):
            raise Trouble("shoal said nothing of a job: is it an older version? It printed: %s" % printed.strip()[:200])
        return job

    def _read(self, stream, said):
        for line in stream:
            said.append(line)
            text = line.strip()
            if text.startswith("warning:"):
                with self._lock:
                    self._state["warnings"] = [*self._state["warnings"], text.removeprefix("warning:").strip()][-5:]
            elif text and not text.startswith("{"):
                self._tell(text=text[:200])

    def _follow(self, job_id):
        refused = 0
        while True:
            try:
                job = self.connection.call("GET", "/api/jobs/" + job_id)
                refused = 0
                self._show(job)
                if job["status"] in OVER:
                    break
                if job["status"] == "active":
                    self._keep_fetching(job_id)
            except Trouble as trouble:
                refused = refused + 1 if trouble.status in REFUSED else 0
                if refused == REFUSED_MAX:
                    raise Lost(
                        "%s The add-on does not follow the job any more, which may go on. Check the key and the network, then: shoal job fetch %s --out %s"
                        % (trouble, job_id, self.options["folder"])
                    )
                if refused == 0:
                    self._tell(text="%s It is asked again; the job goes on." % trouble)
            time.sleep(POLL_SECONDS)
        failed = sum(step["failed"] for step in job["steps"])
        self._finish_fetch(job_id)
        if job["status"] == "cancelled":
            self._tell(stage="cancelled", text="Cancelled. What was done is paid, and in %s." % self.options["folder"])
        elif failed:
            self._tell(stage="failed", text="%d tasks failed: `shoal job frames %s --failed` says why." % (failed, job_id))
        else:
            self._tell(stage="done", progress=1.0, text="Done. The frames are in %s." % self.options["folder"])

    def _keep_fetching(self, job_id):
        """Brings frames home as they are done. It ends when the job pauses, or where something is wrong here, and resumes."""
        due, wait = self._fetch_again
        now = time.monotonic()
        if self._is_closed or now < due or (self._fetch is not None and self._fetch.is_running):
            return
        # One that ran for long got on.
        if self._fetch is None or now - due > FETCH_AGAIN_SECONDS_MAX:
            wait = FETCH_AGAIN_SECONDS
        self._fetch_again = (now + wait, min(2 * wait, FETCH_AGAIN_SECONDS_MAX))
        self._fetch = Fetch(self.connection, self._fetch_words(job_id) + ["--watch"])

    def _fetch_words(self, job_id):
        return [job_id, "--out", self.options["folder"]]

    def _finish_fetch(self, job_id):
        """The job is over. A fetch that ended before it, or that ends with a code since the job was cancelled, tells nothing: one more does."""
        if self._is_closed or (self._fetch is not None and self._fetch.end() is None):
            return
        self._fetch = Fetch(self.connection, self._fetch_words(job_id))
        wrong = self._fetch.end()
        if wrong is not None:
            raise Trouble(
                "The frames were not all fetched: %s Try: shoal job fetch %s --out %s" % (wrong, job_id, self.options["folder"])
            )

    def _cancel_job(self, job_id):
        try:
            self.connection.call("POST", "/api/jobs/%s/cancel" % job_id, {})
        except Trouble as trouble:
            self._tell(text=str(trouble))

    def _show(self, job):
        self._tell(progress=float(job["progress"]), text=job_text(job), status=job["status"])

    def _remove_temporary(self):
        if self._temporary is not None:
            try:
                os.remove(self._temporary)
            except OSError:
                pass


def job_text(job):
    steps = job["steps"]
    done, tasks = (sum(step[name] for step in steps) for name in ("done", "tasks"))
    parts = ["%d of %d tasks" % (done, tasks)]
    if job["status"] == "paused" and job.get("pause"):
        parts.append("paused: " + str(job["pause"].get("detail") or job["pause"]["reason"]))
    else:
        parts.append("%d node%s" % (job["nodes"], "" if job["nodes"] == 1 else "s"))
    parts.append("$%s of $%s" % (usd(job["spent"]), usd(job["cap"])))
    if job.get("etaMs"):
        parts.append("about %s left" % duration(job["etaMs"] / 1000.0))
    return ", ".join(parts)


def usd(nano):
    return ("%.6f" % (int(nano) / 1e9)).rstrip("0").rstrip(".")


def duration(seconds):
    seconds = int(round(seconds))
    if seconds < 60:
        return "%d s" % seconds
    if seconds < 3600:
        return "%d min" % round(seconds / 60)
    return "%d h %02d min" % (seconds // 3600, seconds % 3600 // 60)


# The one submission of this Blender; the panel shows it until the next.
current = None


class ShoalPreferences(bpy.types.AddonPreferences):
    bl_idname = __name__

    url: StringProperty(name="Network", description="Address of its API, such as https://shoal.example. Empty: the network of this user's data folder")
    key: StringProperty(name="Key", subtype="PASSWORD", description="A key for work. Kept in Blender's preferences, readable by your user")
    program: StringProperty(name="Command", default="shoal", subtype="FILE_PATH", description="Name or path of the shoal program")

    def draw(self, _context):
        for name in ("url", "key", "program"):
            self.layout.prop(self, name)


class ShoalSettings(bpy.types.PropertyGroup):
    frames: StringProperty(name="Frames", description="Such as 7, 1-240 or 1-240,300-310:2. Empty: those of the scene")
    budget: FloatProperty(name="Budget in USD", min=0.0, default=0.0, precision=4, description="The most that it may cost. 0: what the quote says")
    folder: StringProperty(name="Frames go to", subtype="DIR_PATH", default="//shoal-frames")
    wants_video: BoolProperty(name="Make a video too", default=False)


def connection_of(context):
    addon = context.preferences.addons.get(__name__)
    if addon is None:
        return Connection()
    preferences = addon.preferences
    return Connection(preferences.program, preferences.url, preferences.key)


def options_of(scene):
    settings = scene.shoal
    folder = os.path.normpath(bpy.path.abspath(settings.folder or "//shoal-frames"))
    options = {"frames": settings.frames.strip(), "folder": folder}
    if settings.budget > 0:
        options["budget"] = usd(round(settings.budget * 1e9))
    if len(bpy.data.scenes) > 1:
        options["scene"] = scene.name
    if scene.render.image_settings.file_format.startswith("OPEN_EXR"):
        options["format"] = "EXR"
    if settings.wants_video:
        options["video"] = os.path.join(folder, "video.mp4")
    # Another one in the PATH may be older than the file.
    if bpy.app.binary_path:
        options["blender"] = bpy.app.binary_path
    return options


def saved_scene():
    """The file to send: the one that is open, or a copy beside it where that has changes. Answers it and what to remove."""
    path = bpy.data.filepath
    if not path:
        raise Trouble("Save the file first: what it reads is found by where it lies.")
    if not bpy.data.is_dirty:
        return path, None
    folder, name = os.path.split(path)
    copy = os.path.join(folder, "%s.shoal-%d.blend" % (os.path.splitext(name)[0], os.getpid()))
    try:
        bpy.ops.wm.save_as_mainfile(filepath=copy, copy=True, check_existing=False)
    except RuntimeError as error:
        raise Trouble("The scene cannot be saved beside its file: %s" % str(error).strip())
    return copy, copy


class SHOAL_OT_submit(bpy.types.Operator):
    bl_idname = "shoal.submit"
    bl_label = "Render on Shoal"
    bl_description = "Send the open scene to the network and bring the frames home"

    @classmethod
    def poll(cls, _context):
        return current is None or current.is_over

    def execute(self, context):
        global current
        try:
            if context.scene.render.engine != "CYCLES":
                raise Trouble("The network renders with Cycles, and this scene is for %s: change it above." % context.scene.render.engine)
            connection = connection_of(context)
            connection.command()
            connection.resolved()
            path, temporary = saved_scene()
        except Trouble as trouble:
            self.report({"ERROR"}, str(trouble))
            return {"CANCELLED"}
        current = RenderJob(connection, path, options_of(context.scene), temporary).start()
        watch()
        self.report({"INFO"}, "The scene is on its way.")
        return {"FINISHED"}


class SHOAL_OT_cancel(bpy.types.Operator):
    bl_idname = "shoal.cancel"
    bl_label = "Cancel"
    bl_description = "End the job. What is done stays, and is paid"

    @classmethod
    def poll(cls, _context):
        return current is not None and not current.is_over

    def execute(self, _context):
        current.cancel()
        return {"FINISHED"}


class SHOAL_OT_message(bpy.types.Operator):
    """Reports how a job ended: timers have no reports of their own."""

    bl_idname = "shoal.message"
    bl_label = "Shoal"
    bl_options = {"INTERNAL"}
    kind: StringProperty(default="INFO")
    text: StringProperty()

    def execute(self, _context):
        self.report({self.kind}, self.text)
        return {"FINISHED"}


class SHOAL_PT_render(bpy.types.Panel):
    bl_label = "Shoal"
    bl_space_type = "PROPERTIES"
    bl_region_type = "WINDOW"
    bl_context = "render"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        layout = self.layout
        layout.use_property_split = True
        for name in ("frames", "budget", "folder", "wants_video"):
            layout.prop(context.scene.shoal, name)
        layout.operator("shoal.submit", icon="RENDER_ANIMATION")
        if current is None:
            return
        state = current.snapshot()
        box = layout.box()
        if state["stage"] in ("submitting", "running"):
            draw_bar(box, state["progress"])
            box.operator("shoal.cancel", icon="CANCEL")
        icon = {"failed": "ERROR", "done": "CHECKMARK", "cancelled": "X"}.get(state["stage"], "NONE")
        for line in wrap(state["text"]):
            box.label(text=line, icon=icon)
            icon = "NONE"
        for warning in state["warnings"]:
            for line in wrap(warning):
                box.label(text=line)


def draw_bar(layout, fraction):
    text = "%d %%" % round(100 * fraction)
    if hasattr(layout, "progress"):
        layout.progress(factor=fraction, text=text)
    else:
        filled = round(20 * fraction)
        layout.label(text="[%s%s] %s" % ("#" * filled, "-" * (20 - filled), text))


def wrap(text, width=60):
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] = (lines[-1] + " " + word).strip()
    return lines


def watch():
    if not bpy.app.timers.is_registered(tick):
        bpy.app.timers.register(tick, first_interval=0.5, persistent=True)


def tick():
    """Redraws the panel; says once how it ended."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "PROPERTIES":
                area.tag_redraw()
    if current is None:
        return None
    if not current.is_over:
        return 0.5
    state = current.snapshot()
    bpy.ops.shoal.message(kind="ERROR" if state["stage"] == "failed" else "INFO", text=state["text"])
    return None


classes = (ShoalPreferences, ShoalSettings, SHOAL_OT_submit, SHOAL_OT_cancel, SHOAL_OT_message, SHOAL_PT_render)


def register():
    for one in classes:
        bpy.utils.register_class(one)
    bpy.types.Scene.shoal = bpy.props.PointerProperty(type=ShoalSettings)


def unregister():
    if bpy.app.timers.is_registered(tick):
        bpy.app.timers.unregister(tick)
    if current is not None:
        current.close()
    del bpy.types.Scene.shoal
    for one in reversed(classes):
        bpy.utils.unregister_class(one)


if __name__ == "__main__":
    register()

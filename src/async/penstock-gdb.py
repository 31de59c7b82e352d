"""Penstock's tasks in gdb, in a running process or a core dump, on x86-64 and aarch64.

    (gdb) source /usr/share/penstock/penstock-gdb.py
    (gdb) penstock tasks      every task: its number, name, state, what it waits for
    (gdb) penstock bt 7       where task 7 is
    (gdb) penstock bt         where each task is

Needs the library's debug information.
"""

import re

import gdb
from gdb.unwinder import Unwinder, register_unwinder


# --- where a suspended task goes on -------------------------------------------------------------------

# What pen_switch (switch_asm.S) has pushed: registers and their offsets, and where the stack pointer
# is once they are popped.
PUSHED = {
    "i386:x86-64": (
        {"r15": 8, "r14": 16, "r13": 24, "r12": 32, "rbx": 40, "rbp": 48, "rip": 56},
        ("rsp", 64),
    ),
    "aarch64": (
        dict({"x%d" % n: 16 + 8 * (n - 19) for n in range(19, 29)}, x29=0, pc=8),
        ("sp", 176),
    ),
}

# The same in a ucontext_t, which swapcontext (switch_ucontext.c) leaves.
GREGS = {"r12": 4, "r13": 5, "r14": 6, "r15": 7, "rbp": 10, "rbx": 11, "rsp": 15, "rip": 16}


def word_at(address):
    unsigned_long = gdb.lookup_type("unsigned long")
    return int(gdb.Value(address).cast(unsigned_long.pointer()).dereference())


def by_ucontext():
    switch = gdb.find_pc_line(int(gdb.parse_and_eval("(unsigned long)&pen_switch")))
    return switch.symtab is not None and switch.symtab.filename.endswith("switch_ucontext.c")


def saved_registers(sp):
    """{name: value} of where a stack goes on whose context has this `sp`."""
    machine = gdb.selected_frame().architecture().name()
    if by_ucontext():
        saved = gdb.Value(sp).cast(gdb.lookup_type("ucontext_t").pointer())["uc_mcontext"]
        if machine == "i386:x86-64":
            return {name: int(saved["gregs"][i]) for name, i in GREGS.items()}
        registers = {"x%d" % n: int(saved["regs"][n]) for n in range(19, 30)}
        return dict(registers, sp=int(saved["sp"]), pc=int(saved["pc"]))
    if machine not in PUSHED:
        raise gdb.GdbError("penstock: no saved registers are known on %s" % machine)
    pushed, (name, size) = PUSHED[machine]
    registers = {register: word_at(sp + offset) for register, offset in pushed.items()}
    return dict(registers, **{name: sp + size})


class FrameId:
    def __init__(self, sp, pc):
        pointer = gdb.lookup_type("void").pointer()
        self.sp = gdb.Value(sp).cast(pointer)
        self.pc = gdb.Value(pc).cast(pointer)


class SuspendedTask(Unwinder):
    """Says that the innermost frame was called from where the task is suspended: so nothing has to be
    written, and a core dump will do."""

    def __init__(self):
        super().__init__("penstock-task")
        self.registers = None

    def show(self, registers):
        """The backtrace from there."""
        innermost = gdb.newest_frame()
        self.at = (int(innermost.read_register("sp")), int(innermost.read_register("pc")))
        self.registers = registers
        self.level = None
        gdb.invalidate_cached_frames()
        try:
            text = gdb.execute("backtrace", to_string=True)
        finally:
            self.registers = None
            gdb.invalidate_cached_frames()
        return self.without_innermost(text)

    def without_innermost(self, text):
        lines = []
        for line in text.splitlines():
            frame = re.match(r"#(\d+)( +)(.*)", line)
            if not frame:
                lines.append(line)
            elif int(frame.group(1)) <= self.level:
                lines = []
            else:
                lines.append("#%-2d %s" % (int(frame.group(1)) - self.level - 1, frame.group(3)))
        return "\n".join(lines)

    def __call__(self, pending):
        if self.registers is None:
            return None
        at = tuple(int(pending.read_register(register)) for register in ("sp", "pc"))
        if at != self.at:
            return None
        self.level = pending.level()
        # An inner frame has the lower address, or gdb calls the stack corrupt.
        below = self.registers.get("rsp", self.registers.get("sp")) - 16
        unwound = pending.create_unwind_info(FrameId(below, at[1]))
        for name, value in self.registers.items():
            kind = pending.read_register(name).type
            unwound.add_saved_register(name, gdb.Value(value).cast(kind))
        return unwound


suspended_task = SuspendedTask()
register_unwinder(None, suspended_task, replace=True)


# --- loops and their tasks ------------------------------------------------------------------------------

# Each knows it for as long as it runs.
KNOW_LOOP = {
    "task_main": lambda frame: frame.read_var("loop"),
    "gen_main": lambda frame: frame.read_var("gen")["loop"],
    "pen_run_with": lambda frame: frame.read_var("loop"),
    "loop_turn": lambda frame: frame.read_var("loop"),
}


def loop_of_frames():
    """The selected thread's, by its frames: a core dump has no thread-local variables."""
    frame = gdb.newest_frame()
    while frame is not None and frame.is_valid():
        if frame.name() in KNOW_LOOP:
            try:
                loop = KNOW_LOOP[frame.name()](frame)
                if not loop.is_optimized_out and int(loop) != 0:
                    return loop
            except (ValueError, gdb.error):
                pass
        frame = frame.older()
    return None


def loop_of_thread():
    try:
        loop = gdb.parse_and_eval("current_loop")
        return loop if int(loop) != 0 else None
    except gdb.error:
        return loop_of_frames()


def loops():
    """(thread, loop) of each thread that runs one."""
    selected = gdb.selected_thread()
    if selected is None:
        raise gdb.GdbError("penstock: no process and no core dump")
    frame = gdb.selected_frame()
    found = []
    try:
        for thread in sorted(gdb.selected_inferior().threads(), key=lambda t: t.num):
            thread.switch()
            loop = loop_of_thread()
            if loop is not None:
                found.append((thread, loop))
    finally:
        selected.switch()
        frame.select()
    if not found:
        print("No thread runs a loop.")
    return found


def entries(head, kind):
    """Of a list of structures that have it in their `link`. A list that was torn is not followed far."""
    kind = gdb.lookup_type(kind)
    offset = next(field.bitpos // 8 for field in kind.fields() if field.name == "link")
    link = head["next"]
    seen = set()
    while int(link) != int(head.address) and int(link) not in seen:
        seen.add(int(link))
        yield gdb.Value(int(link) - offset).cast(kind.pointer()).dereference()
        link = link["next"]


def tasks(loop):
    return entries(loop["tasks"], "struct pen_task")


def callers(task):
    """The `sp` of each stack that the task is on below its present one: it is in a generator, which
    lends the task its stack, and keeps where it was called from."""
    generators = entries(task["loop"]["generators"], "struct pen_gen")
    lent = {int(gen["stack"]): gen["caller"] for gen in generators}
    stack = int(task["stack"])
    while stack in lent:
        caller = lent.pop(stack)
        yield int(caller["context"]["sp"])
        stack = int(caller["stack"])


def name_of(task):
    return task["name"].string(errors="replace") or "task-%d" % int(task["number"])


def state_of(task):
    return str(task["state"]).replace("TASK_", "").lower()


def wait_of(task):
    if state_of(task) == "running":
        return ""
    text = task["waits_for"].string(errors="replace")
    if state_of(task) == "ready":
        return "(after %s)" % text
    awaited = task["awaits"]
    return text if int(awaited) == 0 else "%s (%s)" % (text, name_of(awaited.dereference()))


def headline(task):
    fields = (int(task["number"]), name_of(task), state_of(task), wait_of(task))
    return ("%6d  %-31s  %-9s  %s" % fields).rstrip()


# --- commands ----------------------------------------------------------------------------------------


class Penstock(gdb.Command):
    """Tasks of libpenstock."""

    def __init__(self):
        super().__init__("penstock", gdb.COMMAND_STACK, prefix=True)


class PenstockTasks(gdb.Command):
    """List all tasks: number, name, state, what it waits for."""

    def __init__(self):
        super().__init__("penstock tasks", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        for thread, loop in loops():
            print("Thread %d: %d tasks" % (thread.num, int(loop["n_tasks"])))
            for task in tasks(loop):
                print(headline(task))


class PenstockBt(gdb.Command):
    """penstock bt [N]: the backtrace of task N, or of each one."""

    def __init__(self):
        super().__init__("penstock bt", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        wanted = int(argument) if argument else None
        shown = 0
        selected, frame = gdb.selected_thread(), gdb.selected_frame()
        level = frame.level()
        try:
            for thread, loop in loops():
                thread.switch()
                for task in tasks(loop):
                    if wanted is None or int(task["number"]) == wanted:
                        self.show(task)
                        shown += 1
        finally:
            selected.switch()
            gdb.execute("frame %d" % level, to_string=True)
        if wanted is not None and shown == 0:
            raise gdb.GdbError("penstock: no task %d" % wanted)

    def show(self, task):
        print(headline(task))
        if state_of(task) == "running":
            print(gdb.execute("backtrace", to_string=True).rstrip())
        else:
            print(suspended_task.show(saved_registers(int(task["context"]["sp"]))))
        for sp in callers(task):
            print("which is a generator, called by")
            print(suspended_task.show(saved_registers(sp)))
        print("")


Penstock()
PenstockTasks()
PenstockBt()

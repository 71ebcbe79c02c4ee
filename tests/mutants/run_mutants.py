#!/usr/bin/env python3
"""Breaks the recovery log or the protocol in one place at a time, and checks that the test which must notice does.

The table is mutants.toml beside this file; scripts/mutants --help says how to run it. Works on a copy
of the sources under build/mutants, which stays there so that the next run builds less.
"""

import argparse
import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys
import time
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORK = ROOT / "build" / "mutants"
SOURCES = WORK / "sources"
BUILD = WORK / "build"
COPIED = (
    "recovery_log",
    "xa_tm",
    "tests/unit/recovery_log",
    "tests/unit/xa_tm",
    "tests/crash_states",
    "tests/explorer",
    "tests/support",
)
# A test that takes longer hangs; those of crash_states open half a million disks.
TEST_SECONDS_MAX = {"unit": 120, "protocol": 60, "explorer": 120, "crash_states": 900}
# A mutant that one of the first states betrays needs no million of them.
CRASH_STATES_EFFORT = "0.02"


@dataclasses.dataclass
class Edit:
    file: str
    old: str
    new: str


@dataclasses.dataclass
class Mutant:
    name: str
    edits: list
    suite: str
    tests: str

    @classmethod
    def of(cls, row):
        rows = row.get("edits", [row])
        edits = [Edit(edit["file"], edit["old"], edit["new"]) for edit in rows]
        suite, tests = row["killed_by"].split(":", 1)
        return cls(row["name"], edits, suite, tests)


class Failure(Exception):
    """The run itself is broken; what the mutants do says nothing."""


def say(text):
    print(f"mutants: {text}", flush=True)


def read_table(names, suite):
    rows = tomllib.loads((pathlib.Path(__file__).parent / "mutants.toml").read_text())["mutant"]
    mutants = [Mutant.of(row) for row in rows]
    known = [mutant.name for mutant in mutants]
    if len(set(known)) != len(known):
        raise Failure("two mutants have the same name")
    unknown = set(names) - set(known)
    if unknown:
        raise Failure(f"no such mutant: {', '.join(sorted(unknown))}")
    return [
        mutant
        for mutant in mutants
        if (not names or mutant.name in names) and suite in (None, mutant.suite)
    ]


def check_texts(mutants):
    """All of them, before anything is built: a text that is gone tests nothing."""
    complaints = []
    for mutant in mutants:
        for edit in mutant.edits:
            count = (ROOT / edit.file).read_text().count(edit.old)
            if count != 1:
                complaints.append(
                    f"{mutant.name}: its old text stands {count} times in {edit.file}, not once"
                )
    if complaints:
        raise Failure("\n".join(["correct mutants.toml:", *complaints]))


def write_if_changed(path, content):
    if not path.exists() or path.read_bytes() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def copy_sources():
    """As they are in the checkout; what has not changed keeps its time and is not built again."""
    wanted = set()
    for folder in COPIED:
        for path in (ROOT / folder).rglob("*"):
            if path.is_file():
                wanted.add(SOURCES / path.relative_to(ROOT))
                write_if_changed(SOURCES / path.relative_to(ROOT), path.read_bytes())
    for path in [path for path in SOURCES.rglob("*") if path.is_file() and path not in wanted]:
        path.unlink()


def run(command, **options):
    return subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **options
    )


def build(suite, jobs):
    result = run(["cmake", "--build", BUILD, "--target", suite, "--parallel", str(jobs)])
    return None if result.returncode == 0 else result.stdout


def configure():
    launcher = ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
    result = run(
        ["cmake", "-S", ROOT / "tests/mutants", "-B", BUILD, "-G", "Ninja", f"-DSOURCES={SOURCES}"]
        + ["-DCMAKE_EXE_LINKER_FLAGS=-fuse-ld=mold", *launcher]
    )
    if result.returncode != 0:
        raise Failure(result.stdout)


def passes(suite, tests):
    """False when a test fails, crashes or hangs."""
    scratch = WORK / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    environment = os.environ | {"XA_TM_CRASH_STATES_EFFORT": CRASH_STATES_EFFORT}
    command = [BUILD / suite, f"--gtest_filter={tests}", "--gtest_fail_fast"]
    try:
        result = run(command, cwd=scratch, env=environment, timeout=TEST_SECONDS_MAX[suite])
    except subprocess.TimeoutExpired:
        return False
    if "0 tests from 0 test suites" in result.stdout:
        raise Failure(f"{suite} has no test {tests}")
    return result.returncode == 0


def check_sound_log(mutants, jobs):
    for suite in sorted({mutant.suite for mutant in mutants}):
        say(f"build {suite} without a mutant")
        if (output := build(suite, jobs)) is not None:
            raise Failure(output)
    for suite, tests in sorted({(mutant.suite, mutant.tests) for mutant in mutants}):
        if not passes(suite, tests):
            raise Failure(f"{suite}:{tests} fails without any mutant")


def is_killed(mutant, jobs):
    try:
        for edit in mutant.edits:
            text = (SOURCES / edit.file).read_text()
            (SOURCES / edit.file).write_text(text.replace(edit.old, edit.new))
        if (output := build(mutant.suite, jobs)) is not None:
            raise Failure(f"{mutant.name} does not compile:\n{output}")
        return not passes(mutant.suite, mutant.tests)
    finally:
        for edit in mutant.edits:
            (SOURCES / edit.file).write_bytes((ROOT / edit.file).read_bytes())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--suite", choices=TEST_SECONDS_MAX)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    mutants = read_table(arguments.names, arguments.suite)
    check_texts(mutants)
    if arguments.list:
        for mutant in mutants:
            print(f"{mutant.name}: {mutant.suite}:{mutant.tests}")
        return 0
    copy_sources()
    configure()
    check_sound_log(mutants, arguments.jobs)
    survivors = []
    for mutant in mutants:
        begin = time.monotonic()
        killed = is_killed(mutant, arguments.jobs)
        if not killed:
            survivors.append(mutant.name)
        verdict = "killed" if killed else "SURVIVES"
        say(f"{verdict} {mutant.name} ({time.monotonic() - begin:.0f} s)")
    say(f"{len(mutants) - len(survivors)} of {len(mutants)} killed")
    for name in survivors:
        say(f"no test notices {name}")
    return 1 if survivors else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as failure:
        print(f"mutants: error: {failure}", file=sys.stderr)
        sys.exit(2)

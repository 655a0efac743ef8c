#!/usr/bin/env python3
"""Compares the #include lines of every room with the tome_room list in CMakeLists.txt. Usage: includes_test.py ROOT

Reports: a room that includes one it does not name, an include that is not spelled from src/, a header that is not there,
intrinsics outside kernels/, a room named before it is declared (the list points downwards), a folder without a room, and
files of more than 800 lines.
"""
import pathlib
import re
import sys

LINE_LIMIT = 800
SOURCES = {".h", ".cpp", ".inl", ".cu", ".py", ".sh"}
INTRINSICS = re.compile(r"(immintrin|x86intrin|[a-z]mmintrin|arm_neon|arm_sve)\.h")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def rooms_of(cmake_text):
    """name → set of rooms named after DEPENDS, and what is wrong with the list itself."""
    rooms, problems = {}, []
    for name, dependencies in re.findall(r"^tome_room\((\w+)\s+DEPENDS([^)]*)\)", cmake_text, re.MULTILINE):
        for dependency in dependencies.split():
            if dependency not in rooms:
                problems.append(f"CMakeLists.txt: room '{name}' depends on '{dependency}', which is not declared above it")
        rooms[name] = set(dependencies.split())
    if not rooms:
        problems.append("CMakeLists.txt: no tome_room(name DEPENDS …) line")
    return rooms, problems


def problems_of_file(path, root, rooms):
    source = root / "src"
    relative = path.relative_to(root)
    room = path.relative_to(source).parts[0] if path.parent != source else None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        where, name = f"{relative}:{number}", match.group(2)
        if INTRINSICS.fullmatch(name) and room != "kernels":
            yield f"{where}: {name}: intrinsics live in kernels/ only"
        if match.group(1) == "<":
            continue
        target = name.split("/")[0]
        if "/" not in name or target not in rooms:
            yield f'{where}: "{name}": expected a path from src/, "room/file.h"'
        elif not (source / name).is_file():
            yield f'{where}: "{name}": no such header'
        elif room is not None and target != room and target not in rooms[room]:
            yield f'{where}: room {room} may not include "{name}": it names {sorted(rooms[room])}'


def problems_of(root):
    rooms, problems = rooms_of((root / "CMakeLists.txt").read_text(encoding="utf-8"))
    for entry in sorted((root / "src").iterdir()):
        if entry.is_dir() and entry.name not in rooms:
            problems.append(f"src/{entry.name}: a folder without a tome_room line")
    for path in sorted((root / "src").rglob("*")):
        known = path.parent == root / "src" or path.relative_to(root / "src").parts[0] in rooms
        if path.suffix in {".h", ".cpp", ".inl"} and known:
            problems.extend(problems_of_file(path, root, rooms))
    for folder in ("src", "tests", "fuzz", "bench", "scripts", "cmake"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in SOURCES and path.is_file():
                lines = len(path.read_bytes().splitlines())
                if lines > LINE_LIMIT:
                    problems.append(f"{path.relative_to(root)}: {lines} lines, at most {LINE_LIMIT}")
    return problems


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    problems = problems_of(pathlib.Path(sys.argv[1]))
    print("\n".join(problems) or "every include points where the rooms' list allows")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()

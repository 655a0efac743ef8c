#!/usr/bin/env python3
"""Every C++ file is as clang-format leaves it. Usage: format_test.py ROOT CLANG_FORMAT"""
import pathlib
import subprocess
import sys


def main():
    root, tool = pathlib.Path(sys.argv[1]), sys.argv[2]
    files = [path for folder in ("src", "tests", "fuzz", "bench") for path in sorted((root / folder).rglob("*"))
             if path.suffix in {".h", ".cpp"}]
    if not files:
        sys.exit(f"{root}: no C++ files")
    wrong = []
    for begin in range(0, len(files), 64):
        group = files[begin:begin + 64]
        if subprocess.run([tool, "--dry-run", "-Werror", *group], capture_output=True, check=False).returncode != 0:
            wrong += [path for path in group
                      if subprocess.run([tool, "--dry-run", "-Werror", path], capture_output=True, check=False).returncode]
    for path in wrong:
        print(f"{path.relative_to(root)}: not formatted (clang-format -i {path.relative_to(root)})")
    print(f"{len(files) - len(wrong)} of {len(files)} files are formatted")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()

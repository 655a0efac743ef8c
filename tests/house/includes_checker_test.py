#!/usr/bin/env python3
"""The checker of includes finds each kind of violation, and nothing in a house that is in order."""
import pathlib
import tempfile
import unittest

import includes_test

CMAKE = "tome_room(base DEPENDS)\ntome_room(kernels DEPENDS base)\ntome_room(cache DEPENDS kernels base)\n"
HOUSE = {
    "CMakeLists.txt": CMAKE,
    "src/main.cpp": '#include "cache/page.h"\n',
    "src/base/result.h": "#pragma once\n",
    "src/kernels/product.cpp": '#include <immintrin.h>\n#include "base/result.h"\n',
    "src/kernels/product.h": "",
    "src/cache/page.h": '#include <vector>\n#include "kernels/product.h"\n',
}


class IncludesChecker(unittest.TestCase):
    def problems(self, **changes):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name, text in {**HOUSE, **changes.get("files", {})}.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text, encoding="utf-8")
            return includes_test.problems_of(root)

    def expect(self, files, words):
        problems = self.problems(files=files)
        self.assertEqual(len(problems), 1, problems)
        self.assertIn(words, problems[0])

    def test_a_house_in_order_has_no_problems(self):
        self.assertEqual(self.problems(), [])

    def test_an_upward_include_is_found(self):
        self.expect({"src/base/result.h": '#include "cache/page.h"\n'}, "room base may not include")

    def test_a_room_that_is_reached_only_through_another_has_to_be_named(self):
        cmake = CMAKE.replace("cache DEPENDS kernels base", "cache DEPENDS kernels")
        self.expect({"CMakeLists.txt": cmake, "src/cache/page.h": '# include "base/result.h"\n'}, "may not include")

    def test_a_relative_include_is_found(self):
        self.expect({"src/cache/a.cpp": '#include "page.h"\n'}, "expected a path from src/")

    def test_a_missing_header_is_found(self):
        self.expect({"src/cache/a.cpp": '#include "base/gone.h"\n'}, "no such header")

    def test_intrinsics_outside_kernels_are_found(self):
        self.expect({"src/cache/a.cpp": "#include <immintrin.h>\n"}, "intrinsics")

    def test_a_folder_without_a_room_is_found(self):
        self.expect({"src/attic/a.cpp": "\n"}, "src/attic")

    def test_a_list_that_points_upwards_is_found(self):
        self.expect({"CMakeLists.txt": "tome_room(base DEPENDS cache)\n" + CMAKE.split("\n", 1)[1]}, "not declared above")

    def test_a_file_of_more_than_800_lines_is_found(self):
        self.expect({"src/cache/long.cpp": "\n" * 801}, "801 lines")
        self.assertEqual(self.problems(files={"src/cache/long.cpp": "\n" * 800}), [])


if __name__ == "__main__":
    unittest.main()

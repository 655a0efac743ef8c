# The checks of the house itself (the comparison of includes with the rooms' list is registered in tests/CMakeLists.txt).
add_test(NAME house.the_checker_of_includes_finds_each_violation
         COMMAND Python3::Interpreter ${CMAKE_CURRENT_LIST_DIR}/includes_checker_test.py)
find_program(TOME_CLANG_FORMAT NAMES clang-format-14 clang-format)
if(TOME_CLANG_FORMAT)
  add_test(NAME house.every_file_is_formatted
           COMMAND Python3::Interpreter ${CMAKE_CURRENT_LIST_DIR}/format_test.py ${CMAKE_SOURCE_DIR} ${TOME_CLANG_FORMAT})
else()
  message(WARNING "clang-format is not installed: house.every_file_is_formatted is left out")
endif()

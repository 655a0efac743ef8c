# The test cases as seeds for the fuzzers (docs/formats.md tells how the corpora are made).
add_executable(write_fuzz_seeds ${CMAKE_CURRENT_LIST_DIR}/seeds/write_seeds.cpp)
target_include_directories(write_fuzz_seeds PRIVATE ${CMAKE_SOURCE_DIR}/tests)
target_link_libraries(write_fuzz_seeds PRIVATE tome_formats)

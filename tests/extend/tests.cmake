# `tome extend` is tested by running the binaries.
if(TARGET extend_test)
  add_dependencies(extend_test tome tome-extend)
  target_compile_definitions(extend_test PRIVATE TOME_BINARY="$<TARGET_FILE:tome>")
  add_test(NAME extend.a_killed_run_ends_with_the_curve_of_an_undisturbed_one
           COMMAND Python3::Interpreter ${CMAKE_CURRENT_LIST_DIR}/killed_training_test.py $<TARGET_FILE:tome>
                   ${CMAKE_SOURCE_DIR}/tests/golden/models/llama-untied.gguf)
  set_tests_properties(extend.a_killed_run_ends_with_the_curve_of_an_undisturbed_one PROPERTIES TIMEOUT 600)
endif()

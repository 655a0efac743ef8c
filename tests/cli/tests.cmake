# The commands are tested by running the binary.
if(TARGET cli_test)
  add_dependencies(cli_test tome)
  target_compile_definitions(cli_test PRIVATE TOME_BINARY="$<TARGET_FILE:tome>")
endif()

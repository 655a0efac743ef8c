# The commands are tested by running the binary; a data set of a hub comes from a local server (cpp-httplib).
if(TARGET cli_test)
  add_dependencies(cli_test tome)
  pkg_check_modules(HTTPLIB REQUIRED IMPORTED_TARGET cpp-httplib)
  target_link_libraries(cli_test PRIVATE PkgConfig::HTTPLIB)
  target_compile_definitions(cli_test PRIVATE TOME_BINARY="$<TARGET_FILE:tome>")
endif()

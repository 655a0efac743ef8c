# The hub is tested against a local HTTP server (cpp-httplib) and wheels made on the spot (libzip).
if(TARGET hub_test)
  pkg_check_modules(HTTPLIB REQUIRED IMPORTED_TARGET cpp-httplib)
  target_link_libraries(hub_test PRIVATE PkgConfig::HTTPLIB PkgConfig::LIBZIP)
endif()

# What `cmake --install` lays down, and how others find it:
#
#   bin/asyncvfs.dll               component runtime, with
#   bin/asyncvfs-recover.exe         the programs (programs/CMakeLists.txt)
#   include/, lib/                 component dev: the header, the import library, and
#   lib/cmake/asyncvfs/              find_package(asyncvfs CONFIG), or AsyncVfs
#   lib/pkgconfig/asyncvfs.pc        pkg-config asyncvfs
#   share/doc/asyncvfs/            component doc
#
# All of it is relocatable: no file holds the prefix.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/asyncvfs")

install(TARGETS asyncvfs EXPORT asyncvfs
  RUNTIME COMPONENT runtime
  ARCHIVE COMPONENT dev
  FILE_SET HEADERS COMPONENT dev)

# Lower case, so that find_package looks for it under both spellings of the name.
install(EXPORT asyncvfs NAMESPACE asyncvfs:: FILE asyncvfs-config.cmake
  DESTINATION "${package_dir}" COMPONENT dev)
# Before 1.0 a minor version may change the interface.
if(PROJECT_VERSION_MAJOR EQUAL 0)
  set(compatibility SameMinorVersion)
else()
  set(compatibility SameMajorVersion)
endif()
write_basic_package_version_file("${PROJECT_BINARY_DIR}/asyncvfs-config-version.cmake"
  COMPATIBILITY ${compatibility})
install(FILES "${PROJECT_BINARY_DIR}/asyncvfs-config-version.cmake"
  DESTINATION "${package_dir}" COMPONENT dev)

# From lib/pkgconfig to the prefix.
file(RELATIVE_PATH pc_prefix "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
configure_file("${CMAKE_CURRENT_LIST_DIR}/asyncvfs.pc.in" "${PROJECT_BINARY_DIR}/asyncvfs.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/asyncvfs.pc"
  DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig" COMPONENT dev)

install(FILES README.md LICENSE CHANGELOG.md DESTINATION "${CMAKE_INSTALL_DOCDIR}" COMPONENT doc)
install(DIRECTORY docs DESTINATION "${CMAKE_INSTALL_DOCDIR}" COMPONENT doc
  FILES_MATCHING PATTERN "*.md")

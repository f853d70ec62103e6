# A stand-in for vcpkg: runs the port's portfile.cmake with MinGW, then looks at what it
# packaged as vcpkg's own checks after a build do.
#
#   cmake -D PORT_DIR=... -D WORK=... -D TOOLCHAIN=... -D SQLITE=... -D LINKAGE=dynamic|static
#         -P vcpkg_port.cmake
cmake_minimum_required(VERSION 3.25)
set(PORT asyncvfs)
set(CURRENT_PACKAGES_DIR "${WORK}/packages")
set(CMAKE_CURRENT_LIST_DIR "${PORT_DIR}")
set(shared ON)
if(LINKAGE STREQUAL "static")
  set(shared OFF)
endif()

function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

function(vcpkg_cmake_configure)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "SOURCE_PATH" "OPTIONS")
  run("${CMAKE_COMMAND}" -S "${arg_SOURCE_PATH}" -B "${WORK}/build" -G Ninja --toolchain "${TOOLCHAIN}"
    -DCMAKE_BUILD_TYPE=Release "-DCMAKE_INSTALL_PREFIX=${CURRENT_PACKAGES_DIR}" -DBUILD_SHARED_LIBS=${shared}
    -DVCPKG_TARGET_TRIPLET=x64-mingw-${LINKAGE} "-DSQLITE3_INCLUDE_DIR=${SQLITE}" ${arg_OPTIONS})
endfunction()
function(vcpkg_cmake_install)
  run("${CMAKE_COMMAND}" --build "${WORK}/build" --target install)
endfunction()
function(vcpkg_copy_pdbs)
endfunction()
function(vcpkg_cmake_config_fixup)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "CONFIG_PATH" "")
  file(RENAME "${CURRENT_PACKAGES_DIR}/${arg_CONFIG_PATH}" "${CURRENT_PACKAGES_DIR}/share/${PORT}")
  file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/lib/cmake")
endfunction()
function(vcpkg_fixup_pkgconfig)
  run("${CMAKE_COMMAND}" -E cat "${CURRENT_PACKAGES_DIR}/lib/pkgconfig/${PORT}.pc")
endfunction()
function(vcpkg_install_copyright)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "" "FILE_LIST")
  configure_file("${arg_FILE_LIST}" "${CURRENT_PACKAGES_DIR}/share/${PORT}/copyright" COPYONLY)
endfunction()

include("${PORT_DIR}/portfile.cmake")

file(GLOB_RECURSE packaged RELATIVE "${CURRENT_PACKAGES_DIR}" "${CURRENT_PACKAGES_DIR}/*")
set(expected include/asyncvfs.h include/sqlite3async.h lib/pkgconfig/asyncvfs.pc share/asyncvfs/asyncvfs-config-release.cmake
  share/asyncvfs/asyncvfs-config-version.cmake share/asyncvfs/asyncvfs-config.cmake
  share/asyncvfs/copyright share/asyncvfs/usage)
if(shared)
  list(APPEND expected bin/asyncvfs.dll lib/asyncvfs.lib)
else()
  list(APPEND expected lib/libasyncvfs.a)
endif()
list(SORT packaged)
list(SORT expected)
if(NOT packaged STREQUAL expected)
  message(FATAL_ERROR "packaged: ${packaged}\nexpected: ${expected}")
endif()

# What the compilers can find without running anything. A target for each way
# of looking, and `lint` for all; a source is looked at again when it or one
# of its headers changed.
#
#   lint_analyzer   gcc -fanalyzer: paths that leak, use after free, NULL
#   lint_tidy       clang-tidy: what .clang-tidy lists
#   lint_locks      clang's thread-safety analysis: who holds which lock
#   lint_portable   all rooms but win32 and api compile on Linux too
#   lint_rooms      which room includes which
#   lint_settings   docs/SETTINGS.md lists the settings that there are

if(CMAKE_C_COMPILER_ID STREQUAL "GNU" AND CMAKE_HOST_UNIX)
  get_target_property(lint_sources avfs_core SOURCES)
  list(APPEND lint_sources win32/heap.c)
  set(windows_rooms api win32)   # the others: tests/portable_sources.sh
  set(lint_includes
    "-I${PROJECT_SOURCE_DIR}/include" "-I${PROJECT_SOURCE_DIR}/src"
    -isystem "$<TARGET_PROPERTY:sqlite3_headers,INTERFACE_INCLUDE_DIRECTORIES>")
  set(lint_defines -DAVFS_CHECK -D_WIN32_WINNT=0x0602 -DWINVER=0x0602 -DWIN32_LEAN_AND_MEAN)

  find_program(LINT_CLANG NAMES clang
               DOC "clang, for the thread-safety analysis")
  if(NOT LINT_CLANG)
    set(LINT_CLANG clang)  # ./dev test installs it after ./dev build configured
  endif()
  find_program(LINT_TIDY NAMES clang-tidy DOC "clang-tidy, for lint_tidy")
  if(NOT LINT_TIDY)
    set(LINT_TIDY clang-tidy)  # as with LINT_CLANG
  endif()
  find_program(LINT_HOST_GCC NAMES gcc cc DOC "the compiler for this machine")

  # add_lint(analyzer src/a/b.c out_var compiler flags...)
  function(add_lint kind source stamps_var)
    file(RELATIVE_PATH short "${PROJECT_SOURCE_DIR}" "${source}")
    string(REPLACE "/" "_" flat "${short}")
    set(stamp "${PROJECT_BINARY_DIR}/lint/${kind}_${flat}.ok")
    add_custom_command(OUTPUT "${stamp}"
      COMMAND ${ARGN} -MD -MF "${stamp}.d" -MT "${stamp}" "${source}"
      COMMAND "${CMAKE_COMMAND}" -E touch "${stamp}"
      DEPENDS "${source}" DEPFILE "${stamp}.d"
      COMMENT "lint ${kind}: ${short}" VERBATIM COMMAND_EXPAND_LISTS)
    set(${stamps_var} ${${stamps_var}} "${stamp}" PARENT_SCOPE)
  endfunction()
  file(MAKE_DIRECTORY "${PROJECT_BINARY_DIR}/lint")

  file(GLOB lint_headers CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/*/*.h" "${PROJECT_SOURCE_DIR}/include/*.h")
  foreach(source IN LISTS lint_sources)
    get_filename_component(source "${source}" ABSOLUTE BASE_DIR "${PROJECT_SOURCE_DIR}/src")
    # gcc 13 and later take host.c's bind() for the one of sockets. To gcc 12 the option is nothing.
    add_lint(analyzer "${source}" analyzer_stamps
      "${CMAKE_C_COMPILER}" -std=c17 -O2 -fanalyzer ${avfs_warnings} -Wno-analyzer-fd-leak
      ${lint_defines} ${lint_includes} -c -o /dev/null)
    add_lint(locks "${source}" locks_stamps
      "${LINT_CLANG}" --target=x86_64-w64-mingw32 -std=c17 -fsyntax-only
      -Wall -Wextra -Wthread-safety -Wthread-safety-beta -Werror
      ${lint_defines} ${lint_includes})
    # Its own kind of command line: no dependency file, so every header counts.
    file(RELATIVE_PATH short "${PROJECT_SOURCE_DIR}" "${source}")
    string(REPLACE "/" "_" flat "${short}")
    set(stamp "${PROJECT_BINARY_DIR}/lint/tidy_${flat}.ok")
    add_custom_command(OUTPUT "${stamp}"
      COMMAND "${LINT_TIDY}" --quiet "${source}" -- --target=x86_64-w64-mingw32 -std=c17
        ${lint_defines} ${lint_includes}
      COMMAND "${CMAKE_COMMAND}" -E touch "${stamp}"
      DEPENDS "${source}" ${lint_headers} "${PROJECT_SOURCE_DIR}/.clang-tidy"
      COMMENT "lint tidy: ${short}" VERBATIM COMMAND_EXPAND_LISTS)
    list(APPEND tidy_stamps "${stamp}")
    get_filename_component(room "${source}" DIRECTORY)
    get_filename_component(room "${room}" NAME)
    if(NOT room IN_LIST windows_rooms)
      add_lint(portable "${source}" portable_stamps
        "${LINT_HOST_GCC}" -std=c17 -fsyntax-only ${avfs_warnings} ${lint_includes})
    endif()
  endforeach()

  set(must_fail "${PROJECT_SOURCE_DIR}/cmake/lint_locks_must_fail.c")
  add_custom_command(OUTPUT "${PROJECT_BINARY_DIR}/lint/locks_must_fail.ok"
    COMMAND "${PROJECT_SOURCE_DIR}/cmake/lint_locks_must_fail.sh" "${LINT_CLANG}" --target=x86_64-w64-mingw32
      -std=c17 -fsyntax-only -Wthread-safety -Wthread-safety-beta
      ${lint_includes} "${must_fail}"
    COMMAND "${CMAKE_COMMAND}" -E touch "${PROJECT_BINARY_DIR}/lint/locks_must_fail.ok"
    DEPENDS "${must_fail}" "${PROJECT_SOURCE_DIR}/src/seam/sync.h"
    COMMENT "lint locks: can fail" VERBATIM COMMAND_EXPAND_LISTS)
  list(APPEND locks_stamps "${PROJECT_BINARY_DIR}/lint/locks_must_fail.ok")

  add_custom_target(lint_analyzer DEPENDS ${analyzer_stamps})
  add_custom_target(lint_locks DEPENDS ${locks_stamps})
  add_custom_target(lint_tidy DEPENDS ${tidy_stamps})
  add_custom_target(lint_portable DEPENDS ${portable_stamps})
  add_custom_target(lint_rooms
    COMMAND "${PROJECT_SOURCE_DIR}/cmake/lint_rooms.sh" "${PROJECT_SOURCE_DIR}/src"
    COMMENT "lint rooms: which room includes which" VERBATIM)
  add_custom_target(lint_settings
    COMMAND "${PROJECT_SOURCE_DIR}/cmake/lint_settings.sh" "${PROJECT_SOURCE_DIR}"
    COMMENT "lint settings: docs/SETTINGS.md" VERBATIM)
  add_custom_target(lint)
  add_dependencies(lint lint_rooms lint_settings lint_portable lint_locks lint_analyzer)
endif()

# SQLite and CUnit, as targets:
#   sqlite3_headers   sqlite3.h and sqlite3ext.h
#   sqlite3           sqlite3.dll and its import library
#   cunit             the test framework, static
#   sqlite3async_original   SQLite's retired module for asynchronous I/O, static, to compare with;
#                     of the distribution's source alone
# cmake/fetch.sh puts their sources under ASYNCVFS_THIRD_PARTY; without it
# (on Windows) they come from vcpkg, which vcpkg.json tells what to get.

add_library(sqlite3_headers INTERFACE)

if(EXISTS "${ASYNCVFS_THIRD_PARTY}/sqlite/sqlite3.c")
  set(sqlite_dir "${ASYNCVFS_THIRD_PARTY}/sqlite")
  set(sqlite_old_dir "${ASYNCVFS_THIRD_PARTY}/sqlite-debian")
  set(cunit_dir "${ASYNCVFS_THIRD_PARTY}/cunit")
  set(sqlite_features
    SQLITE_ENABLE_FTS5 SQLITE_ENABLE_COLUMN_METADATA
    SQLITE_ENABLE_DBSTAT_VTAB SQLITE_ENABLE_DBPAGE_VTAB)

  target_include_directories(sqlite3_headers SYSTEM INTERFACE "${sqlite_dir}")

  # An unmodified SQLite with its defaults, all of its API exported.
  add_library(sqlite3 SHARED "${sqlite_dir}/sqlite3.c")
  set_target_properties(sqlite3 PROPERTIES PREFIX "" C_EXTENSIONS ON)
  target_compile_definitions(sqlite3
    PRIVATE ${sqlite_features} "SQLITE_API=__declspec(dllexport)")
  target_compile_options(sqlite3 PRIVATE ${avfs_third_party_options})
  target_link_libraries(sqlite3 PUBLIC sqlite3_headers)

  # The stock shell: one program with the older SQLite that it belongs to, so
  # that two versions of stock SQLite have a say on every database.
  add_custom_command(OUTPUT "${sqlite_old_dir}/shell.c" "${sqlite_old_dir}/sqlite3.c"
    COMMAND "${PROJECT_SOURCE_DIR}/cmake/fetch.sh" amalgamate "${ASYNCVFS_THIRD_PARTY}"
    COMMENT "making the distribution's SQLite one file" VERBATIM)
  add_executable(sqlite3_shell "${sqlite_old_dir}/shell.c" "${sqlite_old_dir}/sqlite3.c")
  set_target_properties(sqlite3_shell PROPERTIES OUTPUT_NAME sqlite3 C_EXTENSIONS ON)
  target_include_directories(sqlite3_shell PRIVATE "${sqlite_old_dir}")
  target_compile_definitions(sqlite3_shell PRIVATE ${sqlite_features})
  target_compile_options(sqlite3_shell PRIVATE ${avfs_third_party_options})

  set(async_dir "${sqlite_old_dir}/ext/async")
  if(EXISTS "${async_dir}/sqlite3async.c")
    add_library(sqlite3async_original STATIC EXCLUDE_FROM_ALL "${async_dir}/sqlite3async.c")
    set_target_properties(sqlite3async_original PROPERTIES C_EXTENSIONS ON)
    target_compile_options(sqlite3async_original PRIVATE ${avfs_third_party_options})
    target_include_directories(sqlite3async_original SYSTEM PUBLIC "${async_dir}")
    target_link_libraries(sqlite3async_original PUBLIC sqlite3)
  endif()

  # The framework and its Basic interface, as the harness uses them.
  add_library(cunit STATIC EXCLUDE_FROM_ALL
    "${cunit_dir}/CUnit/Sources/Basic/Basic.c"
    "${cunit_dir}/CUnit/Sources/Framework/CUError.c"
    "${cunit_dir}/CUnit/Sources/Framework/MyMem.c"
    "${cunit_dir}/CUnit/Sources/Framework/TestDB.c"
    "${cunit_dir}/CUnit/Sources/Framework/TestRun.c"
    "${cunit_dir}/CUnit/Sources/Framework/Util.c")
  set_target_properties(cunit PROPERTIES C_EXTENSIONS ON)
  target_compile_options(cunit PRIVATE ${avfs_third_party_options})
  target_include_directories(cunit SYSTEM
    PRIVATE "${cunit_dir}/include/CUnit" INTERFACE "${cunit_dir}/include")
elseif(CMAKE_HOST_WIN32 OR DEFINED VCPKG_TARGET_TRIPLET)
  find_path(SQLITE3_INCLUDE_DIR sqlite3ext.h REQUIRED)
  target_include_directories(sqlite3_headers SYSTEM INTERFACE "${SQLITE3_INCLUDE_DIR}")

  if(ASYNCVFS_TESTS OR ASYNCVFS_EXAMPLES)
    find_package(unofficial-sqlite3 CONFIG REQUIRED)
    add_library(sqlite3 INTERFACE)
    target_link_libraries(sqlite3 INTERFACE unofficial::sqlite3::sqlite3 sqlite3_headers)
  endif()
  if(ASYNCVFS_TESTS)
    find_path(CUNIT_INCLUDE_DIR CUnit/CUnit.h REQUIRED)
    find_library(CUNIT_LIBRARY NAMES libcunit cunit REQUIRED)
    add_library(cunit INTERFACE)
    target_include_directories(cunit SYSTEM INTERFACE "${CUNIT_INCLUDE_DIR}")
    target_link_libraries(cunit INTERFACE "${CUNIT_LIBRARY}")
  endif()
else()
  message(FATAL_ERROR
    "No ${ASYNCVFS_THIRD_PARTY}/sqlite/sqlite3.c: run ./dev build, which fetches it.")
endif()

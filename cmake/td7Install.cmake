# Installs td7's sources for controllers and the files of find_package(td7), under the prefix or,
# with the extension, within the Python package.
include(CMakePackageConfigHelpers)

if(TD7_PYTHON)
  set(td7_package td7/cmake)
  set(TD7_HEADERS td7/include/td7)
else()
  set(td7_package lib/cmake/td7)
  set(TD7_HEADERS include/td7)
endif()

file(STRINGS pyproject.toml td7_version REGEX "^version = ")
string(REGEX MATCH "[0-9]+\\.[0-9]+\\.[0-9]+" td7_version "${td7_version}")

configure_package_config_file(
  cmake/td7Config.cmake.in "${CMAKE_CURRENT_BINARY_DIR}/td7Config.cmake"
  INSTALL_DESTINATION ${td7_package}
  PATH_VARS TD7_HEADERS)
write_basic_package_version_file(
  "${CMAKE_CURRENT_BINARY_DIR}/td7ConfigVersion.cmake"
  VERSION ${td7_version}
  COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/td7Config.cmake"
              "${CMAKE_CURRENT_BINARY_DIR}/td7ConfigVersion.cmake" cmake/td7Targets.cmake
        DESTINATION ${td7_package})
foreach(folder IN ITEMS policy simd random bundle runtimes controller programs rollout)
  install(
    DIRECTORY csrc/${folder}
    DESTINATION ${TD7_HEADERS}
    FILES_MATCHING
    PATTERN "*.h"
    PATTERN "*.cc"
    # whole episodes: for training
    PATTERN "rollouts.*" EXCLUDE
    PATTERN "ready_queue.*" EXCLUDE)
endforeach()

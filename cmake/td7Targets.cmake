# The controller's targets, made from sources: in this repository and, by way of find_package(td7),
# in a project that uses it. They are compiled where they are used, so one package serves every
# compiler, standard library and processor.
#
#   td7_add_targets(FOLDER)      td7::policy (headers alone) and td7::controller (bundles, the native
#                                backend); need nothing. FOLDER holds policy/, simd/, bundle/,
#                                runtimes/, controller/, rollout/.
#   td7_add_onnxruntime(FOUND)   td7::onnxruntime; FOUND is set to "" or to what is missing
#   td7_add_libtorch(FOUND)      td7::libtorch; the same
#   td7_add_engine(FOUND)        td7::engine (MuJoCo's tasks, rollout/); the same
#   td7_add_bundle_check()       the program bundle_check, with the backends added so far
#   td7_add_controller_program() the program controller, the same; needs td7::engine
#   td7_install_program(NAME)    installs one of them to bin, so that it finds its libraries where
#                                they lie now
#
# onnxruntime is found by ONNXRUNTIME_INCLUDE_DIR (the folder of onnxruntime_cxx_api.h) and
# ONNXRUNTIME_LIBRARY (a library, such as capi/libonnxruntime.so.* of the Python package), LibTorch
# by Torch_DIR or CMAKE_PREFIX_PATH (torch.utils.cmake_prefix_path), MuJoCo by MUJOCO_INCLUDE_DIR (the
# folder of mujoco/mujoco.h) and MUJOCO_LIBRARY, numpy's random numbers, which the tasks draw, by
# NUMPY_INCLUDE_DIR (the folder of numpy/random/bitgen.h) and NPYRANDOM_LIBRARY. Gymnasium's models
# are in TD7_MODELS. Where td7 is installed as a Python package, its neighbours are found without.
include_guard(GLOBAL)

# Results are promised to the bit: no fusing of a * b + c on the machines that could.
set(td7_options $<$<COMPILE_LANG_AND_ID:CXX,GNU,Clang,AppleClang>:-ffp-contract=off>)

function(td7_include target scope)
  target_include_directories(${target} ${scope} "${TD7_SOURCES}")
  if(TD7_SOURCES MATCHES "(.*)/td7$") # installed: a project includes <td7/policy/policy.h>
    target_include_directories(${target} ${scope} "${CMAKE_MATCH_1}")
  endif()
  target_compile_features(${target} ${scope} cxx_std_17)
endfunction()

# Sources by their paths in TD7_SOURCES, or absolute.
function(td7_add_library name)
  list(TRANSFORM ARGN PREPEND "${TD7_SOURCES}/" REGEX "^[^/]")
  add_library(td7_${name} STATIC EXCLUDE_FROM_ALL ${ARGN})
  add_library(td7::${name} ALIAS td7_${name})
  td7_include(td7_${name} PUBLIC)
  # whoever uses the library alone is free to compile as it likes
  target_compile_options(td7_${name} PRIVATE ${td7_options})
  # a project without a build type would act at a tenth of the speed
  target_compile_options(td7_${name} PRIVATE $<$<CONFIG:>:-O2>)
  set_target_properties(td7_${name} PROPERTIES POSITION_INDEPENDENT_CODE ON CXX_EXTENSIONS OFF)
endfunction()

function(td7_add_targets folder)
  set(TD7_SOURCES "${folder}" CACHE INTERNAL "The folder of td7's sources")
  add_library(td7_policy INTERFACE)
  add_library(td7::policy ALIAS td7_policy)
  td7_include(td7_policy INTERFACE)
  target_compile_options(td7_policy INTERFACE ${td7_options}) # headers are compiled by their users
  find_package(Threads REQUIRED)
  td7_add_library(
    controller
    bundle/bundle.cc
    bundle/json.cc
    bundle/json_object.cc
    bundle/safetensors.cc
    bundle/sha256.cc
    bundle/whole_file.cc
    controller/control_loop.cc
    controller/guards.cc
    controller/loop_clock.cc
    controller/realtime.cc
    controller/run_log.cc
    runtimes/native_backend.cc
    runtimes/parity.cc)
  target_link_libraries(td7_controller PUBLIC Threads::Threads)
endfunction()

# Sets `result` to the one file that matches, or leaves it.
function(td7_find_file result pattern)
  file(GLOB found ${pattern})
  list(LENGTH found count)
  if(count EQUAL 1)
    set(${result} "${found}" PARENT_SCOPE)
  endif()
endfunction()

# Notes the folder where an installed program finds a library: the paths that CMake itself would
# keep are without those in the project's tree, where a virtual environment may lie.
function(td7_found_in target library)
  get_filename_component(folder "${library}" DIRECTORY)
  get_filename_component(folder "${folder}" REALPATH)
  set_property(TARGET ${target} PROPERTY TD7_FOLDER "${folder}")
endfunction()

function(td7_add_onnxruntime missing)
  set(${missing} "" PARENT_SCOPE)
  if(TARGET td7_onnxruntime)
    return()
  endif()
  if(NOT ONNXRUNTIME_LIBRARY)
    set(beside "${TD7_SITE_PACKAGES}/onnxruntime/capi")
    td7_find_file(ONNXRUNTIME_LIBRARY "${beside}/libonnxruntime.so.*;${beside}/libonnxruntime.*.dylib")
  endif()
  if(NOT EXISTS "${ONNXRUNTIME_LIBRARY}" OR NOT EXISTS
                                            "${ONNXRUNTIME_INCLUDE_DIR}/onnxruntime_cxx_api.h")
    set(${missing}
        "onnxruntime: pass -DONNXRUNTIME_INCLUDE_DIR=(the folder of onnxruntime_cxx_api.h) and \
-DONNXRUNTIME_LIBRARY=(the library); got \"${ONNXRUNTIME_INCLUDE_DIR}\" and \"${ONNXRUNTIME_LIBRARY}\""
        PARENT_SCOPE)
    return()
  endif()
  # the Python package has the library by its full version alone, programs ask for its soname
  set(linked "${CMAKE_BINARY_DIR}/td7_onnxruntime/libonnxruntime.so.1")
  if(ONNXRUNTIME_LIBRARY MATCHES "\\.so\\.1\\.")
    file(MAKE_DIRECTORY "${CMAKE_BINARY_DIR}/td7_onnxruntime")
    file(CREATE_LINK "${ONNXRUNTIME_LIBRARY}" "${linked}" SYMBOLIC)
  else()
    set(linked "${ONNXRUNTIME_LIBRARY}")
  endif()
  add_library(td7_onnxruntime_library SHARED IMPORTED GLOBAL)
  set_target_properties(
    td7_onnxruntime_library PROPERTIES IMPORTED_LOCATION "${linked}" INTERFACE_INCLUDE_DIRECTORIES
                                                                     "${ONNXRUNTIME_INCLUDE_DIR}")
  td7_add_library(onnxruntime runtimes/onnxruntime_backend.cc)
  td7_found_in(td7_onnxruntime "${ONNXRUNTIME_LIBRARY}")
  if(NOT linked STREQUAL ONNXRUNTIME_LIBRARY)
    # td7_install_program puts the link there
    set_target_properties(td7_onnxruntime PROPERTIES TD7_LINK "${linked}"
                                                     TD7_FOLDER "$ORIGIN/../lib/td7")
  endif()
  target_link_libraries(td7_onnxruntime PUBLIC td7_controller PRIVATE td7_onnxruntime_library)
  target_compile_definitions(td7_onnxruntime INTERFACE TD7_HAS_ONNXRUNTIME)
endfunction()

function(td7_add_libtorch missing)
  set(${missing} "" PARENT_SCOPE)
  if(TARGET td7_libtorch)
    return()
  endif()
  find_package(Torch QUIET HINTS "${TD7_SITE_PACKAGES}/torch/share/cmake/Torch")
  if(NOT Torch_FOUND)
    set(${missing} "LibTorch: pass -DTorch_DIR=(the folder of TorchConfig.cmake)" PARENT_SCOPE)
    return()
  endif()
  td7_add_library(libtorch runtimes/libtorch_backend.cc)
  td7_found_in(td7_libtorch "${TORCH_LIBRARY}")
  target_compile_features(td7_libtorch PRIVATE cxx_std_20)
  target_include_directories(td7_libtorch SYSTEM PRIVATE ${TORCH_INCLUDE_DIRS})
  target_link_libraries(td7_libtorch PUBLIC td7_controller PRIVATE ${TORCH_LIBRARIES})
  target_compile_definitions(td7_libtorch INTERFACE TD7_HAS_LIBTORCH)
endfunction()

function(td7_add_engine missing)
  set(${missing} "" PARENT_SCOPE)
  if(TARGET td7_engine)
    return()
  endif()
  set(packages "${TD7_SITE_PACKAGES}")
  if(NOT MUJOCO_LIBRARY)
    set(MUJOCO_INCLUDE_DIR "${packages}/mujoco/include")
    td7_find_file(MUJOCO_LIBRARY
                  "${packages}/mujoco/libmujoco.so.*;${packages}/mujoco/libmujoco.*.dylib")
  endif()
  if(NOT NPYRANDOM_LIBRARY)
    set(NUMPY_INCLUDE_DIR "${packages}/numpy/_core/include")
    set(NPYRANDOM_LIBRARY "${packages}/numpy/random/lib/libnpyrandom.a")
  endif()
  foreach(file IN ITEMS "${MUJOCO_INCLUDE_DIR}/mujoco/mujoco.h" "${MUJOCO_LIBRARY}"
                        "${NUMPY_INCLUDE_DIR}/numpy/random/bitgen.h" "${NPYRANDOM_LIBRARY}")
    if(NOT EXISTS "${file}")
      set(${missing}
          "MuJoCo and numpy: pass -DMUJOCO_INCLUDE_DIR=(the folder of mujoco/mujoco.h), \
-DMUJOCO_LIBRARY=(the library), -DNUMPY_INCLUDE_DIR=(the folder of numpy/random/bitgen.h) and \
-DNPYRANDOM_LIBRARY=(libnpyrandom.a); there is no \"${file}\""
          PARENT_SCOPE)
      return()
    endif()
  endforeach()
  add_library(td7_mujoco SHARED IMPORTED GLOBAL)
  set_target_properties(td7_mujoco PROPERTIES IMPORTED_LOCATION "${MUJOCO_LIBRARY}"
                                              INTERFACE_INCLUDE_DIRECTORIES "${MUJOCO_INCLUDE_DIR}")
  add_library(td7_npyrandom STATIC IMPORTED GLOBAL)
  set_target_properties(
    td7_npyrandom PROPERTIES IMPORTED_LOCATION "${NPYRANDOM_LIBRARY}" INTERFACE_INCLUDE_DIRECTORIES
                                                                      "${NUMPY_INCLUDE_DIR}")
  # whole episodes under a policy, rollouts.cc, are for training: they need the replay buffer, too
  file(GLOB sources CONFIGURE_DEPENDS "${TD7_SOURCES}/rollout/*.cc"
       "${TD7_SOURCES}/rollout/tasks/*.cc")
  list(FILTER sources EXCLUDE REGEX "/(rollouts|ready_queue)\\.cc$")
  td7_add_library(engine ${sources})
  td7_found_in(td7_engine "${MUJOCO_LIBRARY}")
  target_link_libraries(td7_engine PUBLIC td7_mujoco Threads::Threads PRIVATE td7_npyrandom)
  if(UNIX)
    target_link_libraries(td7_engine PRIVATE m)
  endif()
endfunction()

function(td7_add_program name)
  list(TRANSFORM ARGN PREPEND "${TD7_SOURCES}/programs/")
  add_executable(${name} ${ARGN} "${TD7_SOURCES}/runtimes/backends.cc")
  target_link_libraries(${name} PRIVATE td7_controller)
  foreach(backend IN ITEMS onnxruntime libtorch)
    if(TARGET td7_${backend})
      td7_use(${name} ${backend})
    endif()
  endforeach()
  set_target_properties(${name} PROPERTIES CXX_EXTENSIONS OFF INSTALL_RPATH_USE_LINK_PATH ON)
endfunction()

function(td7_use program library)
  target_link_libraries(${program} PRIVATE td7_${library})
  get_target_property(folder td7_${library} TD7_FOLDER)
  set_property(TARGET ${program} APPEND PROPERTY INSTALL_RPATH "${folder}")
endfunction()

function(td7_install_program name)
  install(TARGETS ${name} DESTINATION bin)
  if(TARGET td7_onnxruntime)
    get_target_property(link td7_onnxruntime TD7_LINK)
    if(link)
      install(FILES "${link}" DESTINATION lib/td7)
    endif()
  endif()
endfunction()

function(td7_add_bundle_check)
  td7_add_program(bundle_check allocations.cc bundle_check.cc check_report.cc latency.cc)
endfunction()

function(td7_add_controller_program)
  td7_add_program(controller allocations.cc controller.cc controller_args.cc mujoco_plant.cc)
  td7_use(controller engine)
  if(NOT TD7_MODELS)
    set(TD7_MODELS "${TD7_SITE_PACKAGES}/gymnasium/envs/mujoco/assets")
  endif()
  if(EXISTS "${TD7_MODELS}")
    target_compile_definitions(controller PRIVATE "TD7_MODEL_FOLDER=\"${TD7_MODELS}\"")
  endif()
endfunction()

#!/bin/sh
# A CMake project uses the tree by add_subdirectory (as FetchContent does), and another one
# uses what `cmake --install` left, by find_package.

command -v cmake >/dev/null 2>&1 || { echo "cmake is not installed"; exit 77; }
set -eu
root=$(pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# project NAME LINE: a consumer that gets ecs::ecs by that line, built and run.
project() {
    mkdir -p "$work/$1"
    cp tests/scripts/consumer.c "$work/$1/main.c"
    {
        echo 'cmake_minimum_required(VERSION 3.13)'
        echo 'project(consumer C)'
        echo 'set(CMAKE_C_STANDARD 11)'
        echo "$2"
        echo 'add_executable(consumer main.c)'
        echo 'target_link_libraries(consumer PRIVATE ecs::ecs)'
    } >"$work/$1/CMakeLists.txt"
    cmake -S "$work/$1" -B "$work/$1/build" -DCMAKE_C_COMPILER="${CC%% *}" \
        -DCMAKE_PREFIX_PATH="$work/prefix" >"$work/$1/log" 2>&1 &&
        cmake --build "$work/$1/build" >>"$work/$1/log" 2>&1 || { cat "$work/$1/log"; exit 1; }
    "$work/$1/build/consumer"
}

project subdirectory "add_subdirectory(\"$root\" \"$work/ecs-build\")"

cmake -S "$root" -B "$work/ecs" -DCMAKE_C_COMPILER="${CC%% *}" \
    -DCMAKE_INSTALL_PREFIX="$work/prefix" >"$work/log" 2>&1 &&
    cmake --install "$work/ecs" >>"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
cmp ecs.h "$work/prefix/include/ecs.h"
project installed "find_package(ecs REQUIRED CONFIG)"

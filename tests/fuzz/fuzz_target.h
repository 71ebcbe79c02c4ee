#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <vector>

/// What libFuzzer calls, and replay.cpp. Ends the process when a promise is broken.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace xa_tm::test {

using FuzzInput = std::vector<std::byte>;

/// The inputs that stand for a log in a folder; mutations of them are worth trying. Only of targets
/// that read logs.
[[nodiscard]] std::vector<FuzzInput> seeds_of(const std::filesystem::path& log);

}  // namespace xa_tm::test

#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

namespace xa_tm::bench {

/// A new file whose blocks were written with zeros and synced; the descriptor is the caller's.
/// Throws std::system_error, as all here.
[[nodiscard]] int create_zeroed_file(const std::filesystem::path& path, std::size_t bytes);
void write_at(int file, std::span<const std::byte> bytes, std::size_t offset);
void read_at(int file, std::span<std::byte> bytes, std::size_t offset);
void sync_data(int file);

}  // namespace xa_tm::bench

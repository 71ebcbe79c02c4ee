#include "machine.h"

#include <cstdint>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

namespace xa_tm::bench {
namespace {

std::string first_line_of(const std::filesystem::path& path) {
    std::ifstream file{path};
    std::string line;
    std::getline(file, line);
    return line;
}

std::string cpu_model() {
    std::ifstream file{"/proc/cpuinfo"};
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with("model name")) {
            return line.substr(line.find(':') + 2);
        }
    }
    return "unknown";
}

/// Fills what /proc/self/mountinfo (proc(5)) says of the device.
void describe_mount(const std::string& device_number, Machine& machine) {
    std::ifstream mounts{"/proc/self/mountinfo"};
    for (std::string line; std::getline(mounts, line);) {
        std::istringstream words{line};
        std::string id, parent, number, root, point, options;
        words >> id >> parent >> number >> root >> point >> options;
        const auto separator = line.find(" - ");
        if (number != device_number || separator == std::string::npos) {
            continue;
        }
        std::istringstream rest{line.substr(separator + 3)};
        std::string type, source, super_options;
        rest >> type >> source >> super_options;
        machine.file_system = fmt::format("{} ({})", type, super_options);
        machine.disk = source;
        return;
    }
}

}  // namespace

Machine describe_machine(const std::filesystem::path& directory) {
    utsname kernel{};
    ::uname(&kernel);
    struct stat status {};
    ::stat(directory.c_str(), &status);
    const auto device = fmt::format("{}:{}", major(status.st_dev), minor(status.st_dev));
    const double memory_bytes = static_cast<double>(::sysconf(_SC_PHYS_PAGES)) *
                                static_cast<double>(::sysconf(_SC_PAGESIZE));
    Machine machine{.cpu = cpu_model(),
                    .cpus = static_cast<unsigned>(::sysconf(_SC_NPROCESSORS_ONLN)),
                    .memory_gib = memory_bytes / (1 << 30),
                    .kernel = fmt::format("{} {}", kernel.sysname, kernel.release),
                    .file_system = "unknown",
                    .disk = "unknown"};
    describe_mount(device, machine);
    const auto write_cache =
        first_line_of(std::filesystem::path{"/sys/dev/block"} / device / "queue/write_cache");
    if (!write_cache.empty()) {
        machine.disk += fmt::format(", {} cache", write_cache);
    }
    return machine;
}

void print(const Machine& machine) {
    fmt::print("CPU          {} ({} CPUs, {:.0f} GiB memory)\n", machine.cpu, machine.cpus,
               machine.memory_gib);
    fmt::print("kernel       {}\n", machine.kernel);
    fmt::print("disk         {}\n", machine.disk);
    fmt::print("file system  {}\n", machine.file_system);
}

nlohmann::json to_json(const Machine& machine) {
    return {
        {"cpu", machine.cpu},       {"cpus", machine.cpus}, {"memory_gib", machine.memory_gib},
        {"kernel", machine.kernel}, {"disk", machine.disk}, {"file_system", machine.file_system}};
}

}  // namespace xa_tm::bench

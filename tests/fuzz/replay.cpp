// Runs a fuzz target without a fuzzer: over the files of a corpus, and over mutations of them and
// of golden logs that are drawn from a seed.

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <span>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "fuzz_target.h"

namespace xa_tm::test {
namespace {

using Random = std::mt19937_64;

void run(const FuzzInput& input) {
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
}

FuzzInput read(const std::filesystem::path& path) {
    std::ifstream stream{path, std::ios::binary};
    const std::string text{std::istreambuf_iterator<char>{stream}, {}};
    const auto bytes = std::as_bytes(std::span{text});
    return {bytes.begin(), bytes.end()};
}

void write(const std::filesystem::path& path, const FuzzInput& input) {
    std::ofstream stream{path, std::ios::binary};
    stream.write(reinterpret_cast<const char*>(input.data()),
                 static_cast<std::streamsize>(input.size()));
}

/// In an order that is the same everywhere, so that a mutation's number says what it is made of.
std::vector<std::filesystem::path> sorted(const std::filesystem::path& folder) {
    std::vector<std::filesystem::path> paths;
    if (!folder.empty()) {
        for (const auto& entry : std::filesystem::directory_iterator{folder}) {
            paths.push_back(entry.path());
        }
    }
    std::ranges::sort(paths);
    return paths;
}

void mutate(FuzzInput& input, Random& random) {
    if (input.empty()) {
        return;
    }
    const auto at = [&] { return static_cast<std::ptrdiff_t>(random() % input.size()); };
    const auto begin = input.begin() + at();
    const auto length_max = std::min<std::size_t>(600, input.size() / 2 + 1);
    const auto length =
        std::min(input.end() - begin, 1 + static_cast<std::ptrdiff_t>(random() % length_max));
    switch (random() % 7) {
        case 0: *begin ^= static_cast<std::byte>(1U << (random() % 8)); break;
        case 1: *begin = static_cast<std::byte>(random()); break;
        case 2: std::fill_n(begin, length, std::byte{0}); break;
        case 3: {
            const FuzzInput part(begin, begin + length);
            const auto last = input.end() - input.begin() - length;
            std::ranges::copy(part, input.begin() + std::min(at(), last));
            break;
        }
        case 4: input.erase(begin, begin + length); break;
        case 5: input.insert(begin, static_cast<std::byte>(random())); break;
        default: input.resize(static_cast<std::size_t>(begin - input.begin()));
    }
}

FuzzInput mutation_of(const std::vector<FuzzInput>& seeds, Random& random) {
    auto input = seeds[random() % seeds.size()];
    for (auto changes = 1 + random() % 4; changes > 0; --changes) {
        mutate(input, random);
    }
    return input;
}

/// What was run when the process dies, for the person who has to find out why.
std::string about_to_run;

void tell_what_ran(int signal) {
    static_cast<void>(::write(STDERR_FILENO, about_to_run.data(), about_to_run.size()));
    std::signal(signal, SIG_DFL);
    std::raise(signal);
}

int main_of(int argc, const char* const* argv) {
    std::filesystem::path corpus;
    std::filesystem::path logs;
    std::filesystem::path seeds_out;
    std::uint64_t seed = 1;
    std::uint64_t mutations = 0;
    CLI::App app{"Runs a fuzz target over a corpus, and over mutations of it and of logs"};
    app.add_option("--corpus", corpus, "folder of inputs");
    app.add_option("--logs", logs, "folder of golden logs");
    app.add_option("--mutations", mutations, "how many mutations");
    app.add_option("--seed", seed, "that they are drawn from");
    app.add_option("--write-seeds", seeds_out, "folder to write the logs to, as inputs");
    CLI11_PARSE(app, argc, argv);

    std::signal(SIGABRT, tell_what_ran);
    std::signal(SIGSEGV, tell_what_ran);
    std::vector<FuzzInput> seeds;
    for (const auto& file : sorted(corpus)) {
        about_to_run = fmt::format("{}\n", file.string());
        run(seeds.emplace_back(read(file)));
    }
    const auto files = seeds.size();
    for (const auto& log : sorted(logs)) {
        std::ranges::move(seeds_of(log), std::back_inserter(seeds));
    }
    for (std::size_t i = files; i < seeds.size(); ++i) {
        about_to_run = fmt::format("seed {} of the logs\n", i - files);
        run(seeds[i]);
        if (!seeds_out.empty()) {
            write(seeds_out / fmt::format("seed_{}", i - files), seeds[i]);
        }
    }
    fmt::print("{} files of the corpus, {} seeds of logs, {} mutations from seed {}\n", files,
               seeds.size() - files, mutations, seed);
    for (std::uint64_t number = 0; number < mutations; ++number) {
        Random random{seed + number};
        const auto input = mutation_of(seeds, random);
        about_to_run =
            fmt::format("mutation {0}; --seed {0} --mutations 1 repeats it\n", seed + number);
        run(input);
    }
    about_to_run.clear();
    return 0;
}

}  // namespace
}  // namespace xa_tm::test

int main(int argc, char** argv) {
    return xa_tm::test::main_of(argc, argv);
}

#include <cstdio>
#include <exception>
#include <fstream>
#include <iostream>
#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "page.h"

int main(int argc, char** argv) {
    if (argc != 2) {
        fmt::print(stderr, "Usage: lock_hold_page RESULT.json > page.html\n");
        return 2;
    }
    const std::string path = argv[1];
    try {
        std::ifstream file{path};
        if (!file) {
            fmt::print(stderr, "{}: can't be read; name a file that scripts/bench --json wrote\n",
                       path);
            return 2;
        }
        std::cout << xa_tm::bench::render_page(nlohmann::json::parse(file));
        return std::cout.flush() ? 0 : 1;
    } catch (const std::exception& error) {
        fmt::print(stderr, "{}: {}\n", path, error.what());
        return 2;
    }
}

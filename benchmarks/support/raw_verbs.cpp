#include "raw_verbs.h"

#include <fmt/format.h>

namespace xa_tm::bench {

RawVerbs raw_verbs(const std::string& uri, const std::string& id) {
    if (uri.starts_with("postgres")) {
        return {.start = "begin",
                .prepare = {fmt::format("prepare transaction '{}'", id)},
                .commit = fmt::format("commit prepared '{}'", id)};
    }
    return {.start = fmt::format("xa start '{}'", id),
            .prepare = {fmt::format("xa end '{}'", id), fmt::format("xa prepare '{}'", id)},
            .commit = fmt::format("xa commit '{}'", id)};
}

}  // namespace xa_tm::bench

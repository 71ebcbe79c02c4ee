#include "render_doctor.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "json_document.h"
#include "text.h"

namespace xa_tm::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kTextIndent = 10;

std::string_view mark_of(Severity severity) {
    switch (severity) {
        case Severity::good: return "green";
        case Severity::notice: return "yellow";
        case Severity::bad: return "red";
    }
    return "";
}

Colour colour_of(Severity severity) {
    switch (severity) {
        case Severity::good: return Colour::green;
        case Severity::notice: return Colour::yellow;
        case Severity::bad: return Colour::red;
    }
    return Colour::plain;
}

std::vector<const Checked*> parts_of(const Diagnosis& diagnosis) {
    std::vector<const Checked*> parts;
    for (const auto& resource : diagnosis.resources) {
        parts.push_back(&resource);
    }
    if (diagnosis.log) {
        parts.push_back(&*diagnosis.log);
    }
    return parts;
}

std::size_t count_of(const Diagnosis& diagnosis, Severity severity) {
    std::size_t count = 0;
    for (const auto* part : parts_of(diagnosis)) {
        count += static_cast<std::size_t>(
            std::ranges::count(part->facts, severity, &ServerFact::severity));
    }
    return count;
}

std::vector<ServerFact> worst_first(std::vector<ServerFact> facts) {
    std::ranges::stable_sort(facts, std::greater{}, &ServerFact::severity);
    return facts;
}

std::string fact_text(const ServerFact& fact, bool has_colour) {
    const std::string mark{mark_of(fact.severity)};
    auto text = fmt::format("  {}{}{}: {}\n", painted(mark, colour_of(fact.severity), has_colour),
                            std::string(kTextIndent - 2 - mark.size(), ' '), printable(fact.name),
                            printable(fact.value));
    if (!fact.meaning.empty()) {
        text += wrapped(as_sentence(fact.meaning), kTextIndent);
    }
    if (!fact.remedy.empty()) {
        text += wrapped("mend: " + printable(fact.remedy), kTextIndent);
    }
    return text;
}

std::string part_text(const Checked& part, bool has_colour) {
    auto text = painted(fmt::format("{} ({})", printable(part.name),
                                    printable(part.product.empty() ? part.kind : part.product)),
                        Colour::bold, has_colour) +
                "\n";
    for (const auto& fact : worst_first(part.facts)) {
        text += fact_text(fact, has_colour);
    }
    return text + "\n";
}

std::string summary(const Diagnosis& diagnosis, bool has_colour) {
    const auto counts =
        fmt::format("{} red, {} yellow, {} green.", count_of(diagnosis, Severity::bad),
                    count_of(diagnosis, Severity::notice), count_of(diagnosis, Severity::good));
    const auto worst = diagnosis.worst();
    const auto verdict = [worst]() -> std::string_view {
        switch (worst) {
            case Severity::good: return "Recovery has all that it needs.";
            case Severity::notice: return "Recovery works; the yellow lines say what it costs.";
            case Severity::bad: return "Mend what is red before the next outage.";
        }
        return "";
    }();
    auto text =
        fmt::format("{} {}\n", counts, painted(std::string{verdict}, colour_of(worst), has_colour));
    if (!diagnosis.log) {
        text += "No log was looked at: add --log DIR.\n";
    }
    return text;
}

Json part_json(const Checked& part) {
    Json json{{"name", part.name},
              {"kind", part.kind},
              {"product", part.product},
              {"facts", Json::array()}};
    for (const auto& fact : worst_first(part.facts)) {
        json["facts"].push_back({{"name", fact.name},
                                 {"value", fact.value},
                                 {"severity", to_string(fact.severity)},
                                 {"meaning", fact.meaning},
                                 {"remedy", fact.remedy}});
    }
    return json;
}

}  // namespace

Severity Diagnosis::worst() const {
    auto worst = Severity::good;
    for (const auto* part : parts_of(*this)) {
        for (const auto& fact : part->facts) {
            worst = std::max(worst, fact.severity);
        }
    }
    return worst;
}

bool LastResources::are_ready() const {
    return std::ranges::none_of(resources, [](const Checked& part) {
        return std::ranges::any_of(part.facts,
                                   [](const auto& fact) { return fact.severity == Severity::bad; });
    });
}

std::string render_last_resources(const LastResources& found, bool has_colour) {
    std::string text;
    for (const auto& part : found.resources) {
        text += part_text(part, has_colour);
    }
    return text +
           (found.are_ready()
                ? painted("Every last resource can keep its decisions.", Colour::green, has_colour)
                : painted("Mend what is red: no transaction with that last resource can "
                          "commit.",
                          Colour::red, has_colour)) +
           "\n";
}

std::string render_last_resources_json(const LastResources& found) {
    Json json{{"ready", found.are_ready()}, {"resources", Json::array()}};
    for (const auto& part : found.resources) {
        json["resources"].push_back(part_json(part));
    }
    return document(json);
}

std::string render_diagnosis(const Diagnosis& diagnosis, bool has_colour) {
    std::string text;
    for (const auto* part : parts_of(diagnosis)) {
        text += part_text(*part, has_colour);
    }
    return text + summary(diagnosis, has_colour);
}

std::string render_diagnosis_json(const Diagnosis& diagnosis) {
    Json json{
        {"worst", to_string(diagnosis.worst())}, {"resources", Json::array()}, {"log", nullptr}};
    for (const auto& resource : diagnosis.resources) {
        json["resources"].push_back(part_json(resource));
    }
    if (diagnosis.log) {
        json["log"] = part_json(*diagnosis.log);
    }
    return document(json);
}

}  // namespace xa_tm::cli

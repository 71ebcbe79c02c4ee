#include "metrics.h"

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <utility>

#include <prometheus/text_serializer.h>

namespace xa_tm::cli {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

/// One family, which takes its samples one after the other.
class Family {
public:
    static Family gauge(std::string_view name, std::string_view help) {
        return Family{MetricType::Gauge, name, help};
    }
    static Family counter(std::string_view name, std::string_view help) {
        return Family{MetricType::Counter, name, help};
    }

    void add(Labels labels, double value) {
        ClientMetric metric;
        metric.label = std::move(labels);
        if (family_.type == MetricType::Counter) {
            metric.counter.value = value;
        } else {
            metric.gauge.value = value;
        }
        family_.metric.push_back(std::move(metric));
    }
    template <class Integer>
    void add(Labels labels, Integer value) {
        add(std::move(labels), static_cast<double>(value));
    }

    [[nodiscard]] MetricFamily take() { return std::move(family_); }

private:
    Family(MetricType type, std::string_view name, std::string_view help) {
        family_.type = type;
        family_.name = name;
        family_.help = help;
    }

    MetricFamily family_;
};

/// 0 to 3, so that alert rules can compare.
double number_of(AlarmLevel level) {
    switch (level) {
        case AlarmLevel::none: return 0;
        case AlarmLevel::notice: return 1;
        case AlarmLevel::warning: return 2;
        case AlarmLevel::critical: return 3;
    }
    return 3;
}

constexpr auto kAlarmHelp =
    "How urgently a person should look: 0 not, 1 notice, 2 warning, 3 critical.";

MetricFamily phase_family(WatchPhase now) {
    auto family =
        Family::gauge("xa_recover_watch_phase", "1 for what the watch does now, 0 for the others.");
    for (const auto phase : {WatchPhase::waiting, WatchPhase::starting, WatchPhase::recovering}) {
        family.add({{"phase", std::string{to_string(phase)}}}, phase == now ? 1 : 0);
    }
    return family.take();
}

/// One sample a resource.
template <class Get>
MetricFamily per_resource(Family family, const RecoveryStatus& status, const Get& get) {
    for (const auto& resource : status.resources) {
        family.add({{"resource", resource.name}, {"kind", resource.kind}}, get(resource));
    }
    return family.take();
}

MetricFamily finished_family(const RecoveryStatus& status) {
    auto family = Family::counter("xa_tm_recovery_branches_finished_total",
                                  "Branches that recovery has finished, by how they ended.");
    for (const auto& resource : status.resources) {
        const std::pair<const char*, std::uint64_t> outcomes[] = {
            {"committed", resource.committed},
            {"rolled_back", resource.rolled_back},
            {"confirmed", resource.confirmed}};
        for (const auto& [outcome, count] : outcomes) {
            family.add({{"resource", resource.name}, {"kind", resource.kind}, {"outcome", outcome}},
                       count);
        }
    }
    return family.take();
}

void add_resources(std::vector<MetricFamily>& families, const RecoveryStatus& status) {
    const auto add = [&](Family family, const auto& get) {
        families.push_back(per_resource(std::move(family), status, get));
    };
    using Status = const ResourceStatus&;
    add(Family::gauge("xa_tm_resource_reachable",
                      "1 when the last pass of recovery could list the resource, else 0."),
        [](Status resource) { return resource.is_reachable ? 1 : 0; });
    add(Family::gauge("xa_tm_resource_unended_session",
                      "1 when an old session may still be at work on branches, else 0."),
        [](Status resource) { return resource.unended_session.empty() ? 0 : 1; });
    add(Family::gauge("xa_tm_branches_in_doubt",
                      "Branches that recovery has still to finish at the resource."),
        [](Status resource) { return resource.in_doubt; });
    add(Family::gauge("xa_tm_branches_for_a_person", "Branches that wait for a person."),
        [](Status resource) { return resource.for_a_person; });
    add(Family::gauge("xa_tm_oldest_in_doubt_seconds",
                      "How long the oldest branch in doubt has been known to this process."),
        [](Status resource) { return resource.oldest.count(); });
    add(Family::gauge("xa_tm_resource_alarm_level", kAlarmHelp),
        [](Status resource) { return number_of(resource.alarm); });
    add(Family::counter("xa_tm_recovery_passes_total",
                        "Times that recovery has looked at the resource."),
        [](Status resource) { return resource.passes; });
    families.push_back(finished_family(status));
}

void add_transactions(std::vector<MetricFamily>& families, const RecoveryStatus& status) {
    const auto add = [&](Family family, auto value) {
        family.add({}, value);
        families.push_back(family.take());
    };
    add(Family::gauge("xa_tm_alarm_level", kAlarmHelp), number_of(status.alarm));
    add(Family::gauge("xa_tm_live_transactions", "Transactions that have begun and not ended."),
        status.live_transactions);
    add(Family::gauge(
            "xa_tm_open_decisions",
            "Decisions with a branch that is not known to be finished, heuristics apart."),
        status.open_decisions);
    add(Family::gauge("xa_tm_heuristics",
                      "Branches that did not end as they were to, and that nobody has forgotten."),
        status.heuristics);
}

MetricFamily log_health_family(recovery_log::Health now) {
    using recovery_log::Health;
    auto family = Family::gauge("xa_tm_log_health",
                                "1 for the health that the recovery log has, 0 for the others.");
    for (const auto health : {Health::healthy, Health::full, Health::poisoned, Health::fenced}) {
        family.add({{"health", std::string{to_text(health)}}}, health == now ? 1 : 0);
    }
    return family.take();
}

void add_log(std::vector<MetricFamily>& families, const RecoveryStatus& status) {
    const auto add = [&](Family family, auto value) {
        family.add({}, value);
        families.push_back(family.take());
    };
    families.push_back(log_health_family(status.log.health));
    add(Family::gauge("xa_tm_log_outdated",
                      "1 when the recovery log was found to be an old copy of itself, else 0."),
        status.log_doubt.empty() ? 0 : 1);
    add(Family::gauge("xa_tm_log_live_entries", "Entries that the recovery log holds."),
        status.log.live_entries);
    add(Family::counter("xa_tm_log_forces_total", "Entries of the recovery log made durable."),
        status.log.forces);
    add(Family::counter("xa_tm_log_syncs_total", "Syncs of the recovery log."), status.log.syncs);
}

}  // namespace

std::vector<MetricFamily> metrics_of(const WatchView& view) {
    std::vector<MetricFamily> families{phase_family(view.phase)};
    if (view.status) {
        add_resources(families, *view.status);
        add_transactions(families, *view.status);
        add_log(families, *view.status);
    }
    return families;
}

std::string metrics_text(const WatchView& view) {
    return prometheus::TextSerializer{}.Serialize(metrics_of(view));
}

}  // namespace xa_tm::cli

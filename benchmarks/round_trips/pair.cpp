#include "pair.h"

#include <fmt/format.h>

#include "sandbox.h"

namespace xa_tm::bench {
namespace {

test::WireProxy::Upstream upstream_of(const std::string& uri) {
    return {uri.starts_with("postgres") ? test::Wire::postgresql : test::Wire::mysql,
            test::port_of(uri)};
}

std::string all_accounts() {
    std::vector<std::string> rows;
    for (int id = 0; id < kAccounts; ++id) {
        rows.push_back(fmt::format("({}, 0)", id));
    }
    return fmt::format("{}", fmt::join(rows, ", "));
}

}  // namespace

std::string update_of(int account) {
    return fmt::format("update trips_account set balance = balance + 1 where id = {}", account);
}

Pair::Pair(const std::string& first, const std::string& second) {
    std::vector<test::WireProxy::Upstream> upstreams;
    for (const auto& server : {first, second}) {
        auto& database = databases_.emplace_back(test::sandbox::uri(server));
        database.execute("drop table if exists trips_account");
        database.execute("create table trips_account (id int primary key, balance int not null)");
        database.execute(fmt::format("insert into trips_account values {}", all_accounts()));
        upstreams.push_back(upstream_of(test::sandbox::tcp_uri(server)));
    }
    network_.emplace(upstreams);
    for (std::size_t i = 0; i < upstreams.size(); ++i) {
        const auto& server = i == 0 ? first : second;
        accounts_.push_back(
            {server, test::with_port(test::sandbox::tcp_uri(server), network_->port(i))});
    }
}

std::array<std::int64_t, 2> Pair::sums() {
    const std::string query = "select sum(balance) from trips_account";
    return {databases_[0].number(query), databases_[1].number(query)};
}

std::size_t Pair::count_prepared() {
    return databases_[0].prepared().size() + databases_[1].prepared().size();
}

}  // namespace xa_tm::bench

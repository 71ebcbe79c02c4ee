// Invariants:
// - the wrapping backend and the one in it hold the same connection; it lies where SOCI's own
//   backend has it, since programs reach for it there: get_backend() cast to
//   soci::mysql_session_backend is how SOCI's users come by their MYSQL.

#include "soci_session.h"

#include <memory>
#include <string>

#include <soci/mysql/soci-mysql.h>

namespace xa_tm::mysql {
namespace {

[[noreturn]] void refuse() {
    throw soci::soci_error(
        "this session works in a global transaction, which begins and ends all its branches "
        "together; call commit() or rollback() of the xa_tm::Transaction");
}

soci::mysql_session_backend* as_soci(soci::details::session_backend* backend) {
    // A dynamic_cast would not link with every build of SOCI: the type's information is not
    // exported, and neither is what deriving from it would need.
    return static_cast<soci::mysql_session_backend*>(backend);
}

class BranchSession final : public soci::details::session_backend {
public:
    explicit BranchSession(const soci::connection_parameters& parameters)
        : soci_{soci::factory_mysql()->make_session(parameters)} {
        conn_ = as_soci(soci_.get())->conn_;
    }

    bool is_connected() override { return soci_->is_connected(); }
    void begin() override { refuse(); }
    void commit() override { refuse(); }
    void rollback() override { refuse(); }
    bool get_last_insert_id(soci::session& session, const std::string& table,
                            long long& value) override {
        return soci_->get_last_insert_id(session, table, value);
    }
    std::string get_dummy_from_table() const override { return soci_->get_dummy_from_table(); }
    std::string get_backend_name() const override { return soci_->get_backend_name(); }
    std::string get_table_names_query() const override { return soci_->get_table_names_query(); }
    soci::details::statement_backend* make_statement_backend() override {
        return soci_->make_statement_backend();
    }
    soci::details::rowid_backend* make_rowid_backend() override {
        return soci_->make_rowid_backend();
    }
    soci::details::blob_backend* make_blob_backend() override { return soci_->make_blob_backend(); }

    [[nodiscard]] MYSQL* connection() const noexcept { return conn_; }
    void set_connection(MYSQL* connection) noexcept {
        conn_ = connection;
        as_soci(soci_.get())->conn_ = connection;
    }

private:
    MYSQL* conn_ = nullptr;  // as the first member of soci::mysql_session_backend

    std::unique_ptr<soci::details::session_backend> soci_;
};

class BranchSessions final : public soci::backend_factory {
public:
    soci::details::session_backend* make_session(
        const soci::connection_parameters& parameters) const override {
        return new BranchSession{parameters};
    }
};

/// The backend of a session that is one of SOCI's for MySQL, wrapped or not; else null.
soci::details::session_backend* backend_for_mysql(soci::session& session) noexcept {
    auto* backend = session.get_backend();
    return backend != nullptr && backend->get_backend_name() == "mysql" ? backend : nullptr;
}

}  // namespace

const soci::backend_factory& branch_sessions() noexcept {
    static const BranchSessions sessions;
    return sessions;
}

SociConnection::SociConnection(soci::session& session) noexcept
    : backend_{backend_for_mysql(session)} {}

MYSQL* SociConnection::get() const noexcept {
    auto* wrapped = dynamic_cast<BranchSession*>(backend_);
    return wrapped != nullptr ? wrapped->connection() : as_soci(backend_)->conn_;
}

void SociConnection::set(MYSQL* connection) noexcept {
    if (auto* wrapped = dynamic_cast<BranchSession*>(backend_)) {
        wrapped->set_connection(connection);
    } else {
        as_soci(backend_)->conn_ = connection;
    }
}

}  // namespace xa_tm::mysql

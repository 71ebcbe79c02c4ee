// Invariants:
// - the wrapping backend and the one in it hold the same connection; it lies where SOCI's own
//   backend has it, since programs reach for it there: get_backend() cast to
//   soci::postgresql_session_backend is how SOCI's users come by their PGconn.

#include "soci_session.h"

#include <memory>
#include <string>

#include <soci/postgresql/soci-postgresql.h>

#include "branch_history.h"

namespace xa_tm::postgres {
namespace {

using soci::details::statement_type;

[[noreturn]] void refuse() {
    throw soci::soci_error(
        "this session works in a global transaction, which begins and ends all its branches "
        "together; call commit() or rollback() of the xa_tm::Transaction");
}

/// SOCI's, which sees no text that controls the transaction.
class BranchStatement final : public soci::details::statement_backend {
public:
    explicit BranchStatement(soci::details::statement_backend* soci) : soci_{soci} {}

    void prepare(const std::string& query, statement_type type) override {
        if (contains_transaction_control(query)) {
            refuse();
        }
        soci_->prepare(query, type);
    }

    void alloc() override { soci_->alloc(); }
    void clean_up() override { soci_->clean_up(); }
    exec_fetch_result execute(int number) override { return soci_->execute(number); }
    exec_fetch_result fetch(int number) override { return soci_->fetch(number); }
    long long get_affected_rows() override { return soci_->get_affected_rows(); }
    int get_number_of_rows() override { return soci_->get_number_of_rows(); }
    std::string get_parameter_name(int index) const override {
        return soci_->get_parameter_name(index);
    }
    std::string rewrite_for_procedure_call(const std::string& query) override {
        return soci_->rewrite_for_procedure_call(query);
    }
    int prepare_for_describe() override { return soci_->prepare_for_describe(); }
    void describe_column(int column, soci::data_type& type, std::string& name) override {
        soci_->describe_column(column, type, name);
    }
    soci::details::standard_into_type_backend* make_into_type_backend() override {
        return soci_->make_into_type_backend();
    }
    soci::details::standard_use_type_backend* make_use_type_backend() override {
        return soci_->make_use_type_backend();
    }
    soci::details::vector_into_type_backend* make_vector_into_type_backend() override {
        return soci_->make_vector_into_type_backend();
    }
    soci::details::vector_use_type_backend* make_vector_use_type_backend() override {
        return soci_->make_vector_use_type_backend();
    }

private:
    std::unique_ptr<soci::details::statement_backend> soci_;
};

soci::postgresql_session_backend* as_soci(soci::details::session_backend* backend) {
    // A dynamic_cast would not link with every build of SOCI: the type's information is not
    // exported, and neither is what deriving from it would need.
    return static_cast<soci::postgresql_session_backend*>(backend);
}

class BranchSession final : public soci::details::session_backend {
public:
    explicit BranchSession(const soci::connection_parameters& parameters)
        : soci_{soci::factory_postgresql()->make_session(parameters)} {
        conn_ = as_soci(soci_.get())->conn_;
    }

    bool is_connected() override { return soci_->is_connected(); }
    void begin() override { refuse(); }
    void commit() override { refuse(); }
    void rollback() override { refuse(); }
    bool get_next_sequence_value(soci::session& session, const std::string& sequence,
                                 long long& value) override {
        return soci_->get_next_sequence_value(session, sequence, value);
    }
    std::string get_dummy_from_table() const override { return soci_->get_dummy_from_table(); }
    std::string get_backend_name() const override { return soci_->get_backend_name(); }
    soci::details::statement_backend* make_statement_backend() override {
        return new BranchStatement{soci_->make_statement_backend()};
    }
    soci::details::rowid_backend* make_rowid_backend() override {
        return soci_->make_rowid_backend();
    }
    soci::details::blob_backend* make_blob_backend() override { return soci_->make_blob_backend(); }

    [[nodiscard]] PGconn* connection() const noexcept { return conn_; }
    void set_connection(PGconn* connection) noexcept {
        conn_ = connection;
        as_soci(soci_.get())->conn_ = connection;
    }
    [[nodiscard]] int statements() const noexcept { return as_soci(soci_.get())->statementCount_; }

private:
    // As the first members of soci::postgresql_session_backend.
    [[maybe_unused]] int statement_count_ = 0;
    [[maybe_unused]] bool single_row_mode_ = false;
    PGconn* conn_ = nullptr;

    std::unique_ptr<soci::details::session_backend> soci_;
};

class BranchSessions final : public soci::backend_factory {
public:
    soci::details::session_backend* make_session(
        const soci::connection_parameters& parameters) const override {
        return new BranchSession{parameters};
    }
};

/// The backend of a session that is one of SOCI's for PostgreSQL, wrapped or not; else null.
soci::details::session_backend* backend_for_postgres(soci::session& session) noexcept {
    auto* backend = session.get_backend();
    return backend != nullptr && backend->get_backend_name() == "postgresql" ? backend : nullptr;
}

}  // namespace

const soci::backend_factory& branch_sessions() noexcept {
    static const BranchSessions sessions;
    return sessions;
}

SociConnection::SociConnection(soci::session& session) noexcept
    : backend_{backend_for_postgres(session)} {}

PGconn* SociConnection::get() const noexcept {
    auto* wrapped = dynamic_cast<BranchSession*>(backend_);
    return wrapped != nullptr ? wrapped->connection() : as_soci(backend_)->conn_;
}

void SociConnection::set(PGconn* connection) noexcept {
    if (auto* wrapped = dynamic_cast<BranchSession*>(backend_)) {
        wrapped->set_connection(connection);
    } else {
        as_soci(backend_)->conn_ = connection;
    }
}

int SociConnection::statements() const noexcept {
    auto* wrapped = dynamic_cast<BranchSession*>(backend_);
    return wrapped != nullptr ? wrapped->statements() : as_soci(backend_)->statementCount_;
}

}  // namespace xa_tm::postgres

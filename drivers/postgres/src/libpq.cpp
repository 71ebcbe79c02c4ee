// Invariants:
// - conn_ is in SOCI's session, if there is one, exactly while is_lent_; else SOCI holds a null
// pointer, which libpq
//   and SOCI answer with an error, so that nothing runs behind the transaction's back (law 10);
// - conn_ is in pipeline mode exactly while an exchange is in progress;
// - given_ <= complete_ <= replies_.size() <= statements_.size(): one reply a statement, in order;
//   the last one is given only when the Sync behind it has arrived, or never can.

#include "libpq.h"

#include <cctype>
#include <charconv>
#include <memory>
#include <new>
#include <utility>

#include <fmt/format.h>
#include <sys/socket.h>

#include "bound_arguments.h"
#include "xa_tm/batched_connection.h"
#include "xa_tm/recovery_log/check.h"

namespace xa_tm::postgres {
namespace {

using Options = std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)>;
using Result = std::unique_ptr<PGresult, decltype(&PQclear)>;

std::string field_of(const PGresult& result, int field) {
    const char* text = PQresultErrorField(&result, field);
    return text == nullptr ? std::string{} : std::string{text};
}

/// The words of an error or warning, without its detail.
std::string words_of(const PGresult& result) {
    auto words = field_of(result, PG_DIAG_MESSAGE_PRIMARY);
    if (words.empty()) {
        return one_line(PQresultErrorMessage(&result));  // made by libpq itself
    }
    const auto hint = field_of(result, PG_DIAG_MESSAGE_HINT);
    return one_line(hint.empty() ? words : fmt::format("{} ({})", words, hint));
}

/// libpq quotes what it could not read after a colon, and that may hold the password.
std::string without_values(std::string_view message) {
    return one_line(message.substr(0, message.find(": ")));
}

bool is_uri(std::string_view text) {
    return text.starts_with("postgresql://") || text.starts_with("postgres://");
}

Options parse(const std::string& text) {
    char* raw_message = nullptr;
    Options options{PQconninfoParse(text.c_str(), &raw_message), &PQconninfoFree};
    const std::unique_ptr<char, decltype(&PQfreemem)> message{raw_message, &PQfreemem};
    if (!options && !is_uri(text)) {
        // libpq quotes the word that it could not read, which may be a piece of the password.
        throw std::invalid_argument(
            "not keyword=value pairs that libpq knows; a value with spaces stands in single "
            "quotes");
    }
    if (!options) {
        throw std::invalid_argument(message ? without_values(message.get()) : "out of memory");
    }
    return options;
}

/// A password with special characters that are not encoded is taken apart in the wrong places, and
/// its pieces would show in messages about host, port or database.
void check_option(std::string_view keyword, std::string_view value, bool has_user) {
    const bool has_at = value.find('@') != std::string_view::npos;
    if (has_at && (keyword == "host" || (keyword == "dbname" && !has_user))) {
        throw std::invalid_argument("write @ / ? in user or password as %40 %2F %3F");
    }
    if (keyword == "port" && value.find_first_not_of("0123456789,") != std::string_view::npos) {
        throw std::invalid_argument("the port must be a number from 1 to 65535");
    }
}

}  // namespace

std::string percent_encode(std::string_view value) {
    std::string encoded;
    for (const char c : value) {
        const auto byte = static_cast<unsigned char>(c);
        if (std::isalnum(byte) != 0 && byte < 0x80) {
            encoded += c;
        } else {
            encoded += fmt::format("%{:02X}", byte);
        }
    }
    return encoded;
}

std::string canonical_uri(const std::string& uri, std::chrono::seconds connect_timeout) {
    const auto scheme = uri.find("://");
    if (!is_uri(uri) && (uri.find('=') == std::string::npos || scheme < uri.find('='))) {
        throw std::invalid_argument("it must begin with postgresql://, or be keyword=value pairs");
    }
    if (uri.find('\0') != std::string::npos) {
        throw std::invalid_argument("a zero byte is allowed nowhere");  // libpq would end there
    }
    const auto options = parse(uri);
    std::string canonical = "postgresql:///?";
    bool has_timeout = false;
    bool has_user = false;  // libpq lists the user before host, port and database
    for (const auto* option = options.get(); option->keyword != nullptr; ++option) {
        if (option->val == nullptr) {
            continue;
        }
        const std::string_view keyword = option->keyword;
        const std::string_view value = option->val;
        if (is_uri(uri)) {
            check_option(keyword, value, has_user);
        }
        has_user = has_user || keyword == "user";
        has_timeout = has_timeout || keyword == "connect_timeout";
        canonical += fmt::format("{}={}&", keyword, percent_encode(value));
    }
    if (!has_timeout) {
        canonical += fmt::format("connect_timeout={}&", connect_timeout.count());
    }
    canonical.pop_back();
    return canonical;
}

bool is_server_up(const std::string& canonical_uri) noexcept {
    return PQping(canonical_uri.c_str()) == PQPING_OK;
}

Session::Session(const std::string& canonical_uri) {
    try {
        sql_ = &own_sql_.emplace(branch_sessions(), canonical_uri);
    } catch (const soci::soci_error& error) {
        const std::string text = error.what();
        const auto line_break = text.find('\n');  // SOCI's own sentence comes first
        throw ConnectError(
            one_line(line_break == std::string::npos ? text : text.substr(line_break)));
    }
    SociConnection soci{*sql_};
    conn_ = soci.get();
    soci.set(nullptr);
    backend_pid_ = PQbackendPID(conn_);
    default_notice_receiver_ = PQsetNoticeReceiver(conn_, &Session::take_notice, this);
    if (!watch_results()) {
        PQfinish(std::exchange(conn_, nullptr));
        throw ConnectError("out of memory");
    }
}

Session::Session(const Lent& lent) : sql_{lent.session}, is_borrowed_{true}, conn_{lent.handle} {
    if (sql_ != nullptr) {
        const SociConnection soci{*sql_};
        conn_ = soci.is_there() ? soci.get() : nullptr;
    }
    borrow();
    if (sql_ != nullptr) {
        SociConnection{*sql_}.set(nullptr);
    }
}

/// The notice receiver stays the application's: libpq could not give it back whole.
void Session::borrow() {
    if (conn_ == nullptr || PQstatus(conn_) != CONNECTION_OK) {
        throw std::invalid_argument("the lent connection is not open; connect it first");
    }
    if (PQinstanceData(conn_, &Session::take_event) != nullptr) {
        throw std::invalid_argument("the lent connection is lent to another transaction already");
    }
    if (PQtransactionStatus(conn_) != PQTRANS_IDLE || PQpipelineStatus(conn_) != PQ_PIPELINE_OFF) {
        throw std::invalid_argument(
            "the lent connection is in a transaction, in pipeline mode or at work; end that first");
    }
    if (!watch_results()) {
        throw std::bad_alloc();
    }
    backend_pid_ = PQbackendPID(conn_);
    was_nonblocking_ = PQisnonblocking(conn_) == 1;
}

/// As it was, but for an event procedure that finds nobody to tell any more.
void Session::give_back() noexcept {
    if (conn_ == nullptr) {
        return;
    }
    PQsetInstanceData(conn_, &Session::take_event, nullptr);
    if (sql_ == nullptr) {
        return;
    }
    SociConnection soci{*sql_};
    if (soci.is_there() && soci.get() == nullptr) {
        soci.set(conn_);
    } else {
        PQfinish(conn_);  // the application has closed or replaced it
    }
}

/// Every result that comes on the connection is seen, whoever has asked for it. A connection keeps
/// the procedure for ever, so that its data, not its argument, has to say whose it is.
bool Session::watch_results() noexcept {
    if (PQsetInstanceData(conn_, &Session::take_event, this) == 1) {
        return true;
    }
    return PQregisterEventProc(conn_, &Session::take_event, "xa_tm", nullptr) == 1 &&
           PQsetInstanceData(conn_, &Session::take_event, this) == 1;
}

Session::~Session() {
    if (is_lent_) {
        static_cast<void>(take_back());
    }
    if (is_borrowed_) {
        give_back();
    } else {
        PQfinish(conn_);
    }
}

bool Session::can_lend() const noexcept {
    if (sql_ == nullptr) {
        return conn_ != nullptr;
    }
    const SociConnection soci{*sql_};
    return soci.is_there() && soci.get() == nullptr && conn_ != nullptr;
}

void Session::lend() noexcept {
    XA_TM_CHECK(!is_lent_ && can_lend(), "SOCI has not made a connection of its own");
    if (sql_ != nullptr) {
        SociConnection{*sql_}.set(conn_);
    }
    is_lent_ = true;
}

bool Session::take_back() noexcept {
    XA_TM_CHECK(is_lent_, "only what was lent is taken back");
    is_lent_ = false;
    // A new connection may have got the old one's address, but not its server process.
    if (native_handle() != conn_ || PQbackendPID(conn_) != backend_pid_) {
        conn_ = nullptr;  // SOCI has closed it
        return false;
    }
    if (sql_ != nullptr) {
        SociConnection{*sql_}.set(nullptr);
    }
    if (PQpipelineStatus(conn_) != PQ_PIPELINE_OFF && PQexitPipelineMode(conn_) == 0) {
        return false;
    }
    return PQtransactionStatus(conn_) != PQTRANS_ACTIVE;
}

PGconn* Session::native_handle() noexcept {
    if (sql_ == nullptr) {
        return conn_;
    }
    const SociConnection soci{*sql_};
    return soci.is_there() ? soci.get() : nullptr;
}

void Session::send(std::vector<Statement> statements) noexcept {
    XA_TM_CHECK(!is_lent_, "verbs are sent while the application has no access");
    statements_ = std::move(statements);
    replies_.clear();
    complete_ = 0;
    given_ = 0;
    is_synced_ = false;
    is_finished_ = false;
    is_flushing_ = false;
    is_broken_ = false;
    found_transaction_ = false;
    warnings_.clear();
    if (conn_ == nullptr) {
        give_up("the application has closed or reconnected the session");
        return;
    }
    send_all();
}

void Session::send_all() noexcept {
    bool is_sent = PQsetnonblocking(conn_, 1) == 0 && PQenterPipelineMode(conn_) == 1;
    for (const auto& statement : statements_) {
        const BoundArguments arguments{statement.arguments};
        is_sent = is_sent && arguments.send(conn_, statement.text) &&
                  (!statement.is_flushed || PQsendFlushRequest(conn_) == 1);
    }
    is_sent = is_sent && PQpipelineSync(conn_) == 1;
    const int flushed = is_sent ? PQflush(conn_) : -1;
    is_flushing_ = flushed == 1;
    if (flushed < 0) {
        give_up(one_line(PQerrorMessage(conn_)));
    }
}

std::optional<Reply> Session::receive() noexcept {
    if (!is_broken_ && !is_synced_) {
        const int flushed = is_flushing_ ? PQflush(conn_) : 0;
        is_flushing_ = flushed == 1;
        const bool is_alive = PQconsumeInput(conn_) == 1 && flushed >= 0;
        const bool may_have_more = take_results();
        if (!is_broken_ && !is_synced_ && (!is_alive || !may_have_more)) {
            give_up(one_line(PQerrorMessage(conn_)));
        }
    }
    if (!is_finished_ && (is_broken_ || is_synced_)) {
        finish();
    }
    if (given_ == complete_) {
        return std::nullopt;
    }
    const bool is_last = given_ + 1 == statements_.size() || !replies_[given_].is_ok;
    if (is_last && !is_finished_) {
        return std::nullopt;
    }
    return std::move(replies_[given_++]);
}

void Session::disconnect() noexcept {
    if (conn_ != nullptr && PQsocket(conn_) >= 0) {
        ::shutdown(PQsocket(conn_), SHUT_RDWR);
    }
    give_up("the connection was closed");
}

bool Session::take_results() {
    int nulls_in_a_row = 0;
    while (!is_synced_ && !is_broken_ && PQisBusy(conn_) == 0) {
        const Result result{PQgetResult(conn_), &PQclear};
        if (result) {
            nulls_in_a_row = 0;
            take_result(*result);
            continue;
        }
        complete_ = replies_.size();
        // One null ends the results of a statement; after a second there is nothing more to come.
        if (++nulls_in_a_row > 1) {
            return false;
        }
    }
    return true;
}

void Session::take_result(const PGresult& result) {
    const auto status = PQresultStatus(&result);
    if (status == PGRES_PIPELINE_SYNC) {
        is_synced_ = true;
        return;
    }
    if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH) {
        // The server waits for data now and takes no Sync until it has got some.
        give_up("COPY between client and server goes only by the native handle");
        return;
    }
    // What follows an error on the same statement adds nothing; nor does what libpq says of a lost
    // connection behind the last one.
    if (replies_.size() == complete_ && complete_ < statements_.size()) {
        replies_.push_back(reply_from(result));
    }
}

Reply Session::reply_from(const PGresult& result) {
    const auto status = PQresultStatus(&result);
    const bool is_application = statements_[complete_].is_application;
    const bool wants_result = statements_[complete_].wants_result;
    Reply reply{.is_ok = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ||
                         status == PGRES_EMPTY_QUERY};
    if (is_application && status != PGRES_PIPELINE_ABORTED) {
        add_to_history(result);
    }
    if (!reply.is_ok) {
        reply.sqlstate = field_of(result, PG_DIAG_SQLSTATE);
        reply.message = words_of(result);
        return reply;
    }
    auto* changeable = const_cast<PGresult*>(&result);  // not changed by libpq
    reply.message = std::exchange(warnings_, {});
    reply.command_tag = PQcmdStatus(changeable);
    const std::string_view count = PQcmdTuples(changeable);
    if (std::from_chars(count.data(), count.data() + count.size(), reply.row_count).ec !=
        std::errc{}) {
        reply.row_count = static_cast<std::uint64_t>(PQntuples(&result));
    }
    for (int column = 0; column < PQnfields(&result) && wants_result; ++column) {
        reply.columns.emplace_back(PQfname(&result, column));
    }
    const int kept_rows = is_application && !wants_result ? 0 : PQntuples(&result);
    for (int row = 0; row < kept_rows; ++row) {
        auto& values = reply.rows.emplace_back();
        for (int column = 0; column < PQnfields(&result); ++column) {
            values.push_back(PQgetisnull(&result, row, column) == 1
                                 ? std::nullopt
                                 : std::optional{std::string{PQgetvalue(&result, row, column),
                                                             static_cast<std::size_t>(PQgetlength(
                                                                 &result, row, column))}});
        }
    }
    return reply;
}

void Session::give_up(std::string why) noexcept {
    is_broken_ = true;
    why_broken_ = why.empty() ? "the connection to the server is lost" : std::move(why);
}

void Session::finish() {
    is_finished_ = true;
    if (!is_broken_ && complete_ == statements_.size()) {
        is_broken_ = PQexitPipelineMode(conn_) == 0 ||
                     PQsetnonblocking(conn_, was_nonblocking_ ? 1 : 0) != 0;
        return;
    }
    if (!is_broken_) {
        give_up("the server has answered fewer statements than it was sent");
    }
    // What was answered is kept: an error that ended the session says why. The last success counts
    // only when its Sync has come as well.
    const bool is_last = replies_.size() == statements_.size();
    if (!replies_.empty() && replies_.back().is_ok && (is_last || replies_.size() > complete_) &&
        replies_.size() > given_) {
        replies_.pop_back();
    }
    replies_.resize(statements_.size(), Reply{.message = why_broken_});
    complete_ = replies_.size();
}

xa_tm::Connection::Readiness Session::readiness() const noexcept {
    return {PQsocket(conn_), true, is_flushing_};
}

bool Session::is_idle() const noexcept {
    return !is_broken_ && !is_lent_ && conn_ != nullptr && PQstatus(conn_) == CONNECTION_OK &&
           PQtransactionStatus(conn_) == PQTRANS_IDLE;
}

bool Session::is_in_failed_transaction() const noexcept {
    return conn_ != nullptr && PQtransactionStatus(conn_) == PQTRANS_INERROR;
}

int Session::soci_statements() const noexcept {
    const SociConnection soci{*sql_};
    return soci.is_there() ? soci.statements() : 0;
}

std::string Session::application_name() const {
    const char* name = PQparameterStatus(conn_, "application_name");
    return name == nullptr ? std::string{} : std::string{name};
}

std::string Session::user() const {
    return conn_ == nullptr ? std::string{} : std::string{PQuser(conn_)};
}

std::string Session::quoted(const std::string& text) const {
    const std::unique_ptr<char, decltype(&PQfreemem)> literal{
        PQescapeLiteral(conn_, text.data(), text.size()), &PQfreemem};
    if (!literal) {
        throw std::bad_alloc();
    }
    return literal.get();
}

void Session::add_to_history(const PGresult& result) {
    switch (PQresultStatus(&result)) {
        case PGRES_EMPTY_QUERY:
        case PGRES_COMMAND_OK:
        case PGRES_TUPLES_OK:
            history_.add_success(PQcmdStatus(const_cast<PGresult*>(&result)),
                                 std::exchange(found_transaction_, false));
            break;
        case PGRES_BAD_RESPONSE:
        case PGRES_FATAL_ERROR: history_.add_failure(field_of(result, PG_DIAG_SQLSTATE)); break;
        case PGRES_COPY_OUT:
        case PGRES_COPY_IN:
        case PGRES_COPY_BOTH:
        case PGRES_NONFATAL_ERROR:
        case PGRES_SINGLE_TUPLE:
        case PGRES_PIPELINE_SYNC:
        case PGRES_PIPELINE_ABORTED: break;
    }
}

int Session::take_event(PGEventId event, void* info, void* /*unused*/) noexcept {
    // The other events also come for results that outlive the session.
    if (event == PGEVT_RESULTCREATE) {
        const auto& created = *static_cast<const PGEventResultCreate*>(info);
        auto* session = static_cast<Session*>(PQinstanceData(created.conn, &Session::take_event));
        if (session != nullptr && session->is_lent_) {
            session->add_to_history(*created.result);
        }
    }
    return 1;
}

void Session::take_notice(void* self, const PGresult* notice) {
    auto& session = *static_cast<Session*>(self);
    if (field_of(*notice, PG_DIAG_SQLSTATE) == "25001") {
        session.found_transaction_ = true;
    }
    if (session.is_lent_) {
        session.default_notice_receiver_(nullptr, notice);  // as if we were not there
        return;
    }
    session.warnings_ += session.warnings_.empty() ? "" : "; ";
    session.warnings_ += words_of(*notice);
}

}  // namespace xa_tm::postgres

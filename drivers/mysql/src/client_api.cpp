// Invariants:
// - SOCI's session, if there is one, holds mysql_ exactly while is_lent_; else it holds
// placeholder_, which answers
//   every statement with "Server has gone away", so that nothing runs behind the transaction's back
//   (law 10);
// - a step of the exchange is suspended inside the client library exactly while is_suspended_, and
//   then waiting_for_ is not 0;
// - answered_ is the number of packets whose results have all been read;
// - the server takes many statements a packet exactly while takes_many_statements_, which is never
//   so while is_lent_: a statement that somebody smuggles into the application's stays refused.

#include "client_api.h"

#include <algorithm>
#include <array>
#include <span>
#include <stdexcept>
#include <utility>

#include <poll.h>
#include <soci/mysql/soci-mysql.h>
#include <sys/socket.h>

#include "xa_tm/batched_connection.h"
#include "xa_tm/recovery_log/check.h"

namespace xa_tm::mysql {
namespace {

/// Whether the client library would put another session in the place of a lost one by itself.
bool reconnects_by_itself(MYSQL& mysql) {
    bool reconnects = false;  // MariaDB's client calls the type my_bool, and writes one byte
    static_assert(sizeof(reconnects) == 1);
    return ::mysql_get_option(&mysql, MYSQL_OPT_RECONNECT, &reconnects) == 0 && reconnects;
}

void check_is_lendable(MYSQL* mysql) {
    if (mysql == nullptr || ::mysql_thread_id(mysql) == 0) {
        throw std::invalid_argument("the lent connection is not open; connect it first");
    }
    if ((mysql->server_status & SERVER_STATUS_IN_TRANS) != 0 ||
        mysql->status != MYSQL_STATUS_READY || ::mysql_more_results(mysql) != 0) {
        throw std::invalid_argument(
            "the lent connection is in a transaction or has a result unread; end that first");
    }
    if (reconnects_by_itself(*mysql)) {
        throw std::invalid_argument(
            "the lent connection would be replaced unnoticed when it is lost; set "
            "MYSQL_OPT_RECONNECT to false");
    }
}

}  // namespace

Session::Session(const std::string& soci_connect_string, bool needs_tls) {
    try {
        sql_ = &own_sql_.emplace(branch_sessions(), soci_connect_string);
    } catch (const soci::mysql_soci_error& error) {
        throw ConnectError(one_line(error.what()), static_cast<int>(error.err_num_));
    } catch (const soci::soci_error& error) {
        throw ConnectError(one_line(error.what()), 0);
    }
    mysql_ = SociConnection{*sql_}.get();
    if (needs_tls && ::mysql_get_ssl_cipher(mysql_) == nullptr) {
        throw ConnectError("the server offers no TLS", CR_SSL_CONNECTION_ERROR);
    }
    set_up();
}

Session::Session(const Lent& lent) : sql_{lent.session}, is_borrowed_{true}, mysql_{lent.handle} {
    if (sql_ != nullptr) {
        const SociConnection soci{*sql_};
        mysql_ = soci.is_there() ? soci.get() : nullptr;
    }
    check_is_lendable(mysql_);
    set_up();
}

void Session::set_up() {
    if (sql_ != nullptr) {
        placeholder_ = ::mysql_init(nullptr);
        XA_TM_CHECK(placeholder_ != nullptr, "memory for a handle");
        SociConnection{*sql_}.set(placeholder_);
    }
    thread_id_ = ::mysql_thread_id(mysql_);
    is_mariadb_ =
        std::string_view{::mysql_get_server_info(mysql_)}.find("MariaDB") != std::string_view::npos;
    client_library::allow_steps(*mysql_);
}

Session::~Session() {
    if (is_lent_) {
        static_cast<void>(take_back());
    }
    if (is_borrowed_) {
        give_back();
    } else {
        ::mysql_close(mysql_);  // and placeholder_ is SOCI's to close, with its session
    }
}

void Session::give_back() noexcept {
    if (mysql_ == nullptr) {
        return;
    }
    if (!is_broken_ && takes_many_statements_ != took_many_statements_ &&
        ::mysql_set_server_option(mysql_, took_many_statements_
                                              ? MYSQL_OPTION_MULTI_STATEMENTS_ON
                                              : MYSQL_OPTION_MULTI_STATEMENTS_OFF) != 0) {
        disconnect();
    }
    if (sql_ == nullptr) {
        return;
    }
    if (can_be_lent()) {
        SociConnection{*sql_}.set(mysql_);
        ::mysql_close(placeholder_);
    } else {
        ::mysql_close(mysql_);  // the application has closed or replaced it
    }
}

bool Session::can_be_lent() noexcept {
    if (sql_ == nullptr) {
        return mysql_ != nullptr;
    }
    const SociConnection soci{*sql_};
    // A new connection may have got the placeholder's address, but the placeholder has no number.
    return soci.is_there() && mysql_ != nullptr && soci.get() == placeholder_ &&
           ::mysql_thread_id(placeholder_) == 0;
}

bool Session::lend() noexcept {
    if (is_broken_ || !can_be_lent()) {
        return false;
    }
    if (takes_many_statements_) {
        if (::mysql_set_server_option(mysql_, MYSQL_OPTION_MULTI_STATEMENTS_OFF) != 0) {
            is_broken_ = true;
            return false;
        }
        takes_many_statements_ = false;
    }
    if (sql_ != nullptr) {
        SociConnection{*sql_}.set(mysql_);
    }
    is_lent_ = true;
    return true;
}

bool Session::take_back() noexcept {
    XA_TM_CHECK(is_lent_, "only what was lent is taken back");
    is_lent_ = false;
    // A new connection may have got the old one's address, but not its number at the server.
    if (native_handle() != mysql_ || ::mysql_thread_id(mysql_) != thread_id_) {
        mysql_ = nullptr;  // SOCI has closed it
        ::mysql_close(std::exchange(placeholder_, nullptr));
        return false;
    }
    if (sql_ != nullptr) {
        SociConnection{*sql_}.set(placeholder_);
    }
    return mysql_->status == MYSQL_STATUS_READY && ::mysql_more_results(mysql_) == 0;
}

MYSQL* Session::native_handle() noexcept {
    if (sql_ == nullptr) {
        return mysql_;
    }
    const SociConnection soci{*sql_};
    return soci.is_there() ? soci.get() : nullptr;
}

int Session::last_error() const noexcept {
    return mysql_ == nullptr ? CR_SERVER_GONE_ERROR : static_cast<int>(::mysql_errno(mysql_));
}

std::string Session::last_transaction_state() const {
    // After a result with rows the library still has what came with an earlier statement.
    const char* state = nullptr;
    std::size_t size = 0;
    const bool is_told = mysql_ != nullptr && ::mysql_field_count(mysql_) == 0 &&
                         (mysql_->server_status & SERVER_SESSION_STATE_CHANGED) != 0 &&
                         ::mysql_session_track_get_first(mysql_, SESSION_TRACK_TRANSACTION_STATE,
                                                         &state, &size) == 0;
    return is_told ? std::string{state, size} : std::string{};
}

TextRules Session::text_rules() const noexcept {
    constexpr std::array<std::string_view, 5> kNotBytewise{"big5", "cp932", "gb18030", "gbk",
                                                           "sjis"};
    const bool is_bytewise =
        std::ranges::find(kNotBytewise, ::mysql_character_set_name(mysql_)) == kNotBytewise.end();
    return {.write_text =
                [this](std::string_view text) {
                    return client_library::literal_of_text(*mysql_, text);
                },
            .is_bytewise = is_bytewise ? Bytewise::yes : Bytewise::no};
}

void Session::send(std::vector<std::string> packets, Packing packing) noexcept {
    is_first_awaited_ = false;
    start(std::move(packets), packing);
}

void Session::send_first_and_others(std::string packet) noexcept {
    is_first_awaited_ = true;
    start({std::move(packet)}, Packing::many_statements);
}

void Session::start(std::vector<std::string> packets, Packing packing) {
    XA_TM_CHECK(!is_lent_, "verbs are sent while the application has no access");
    packets_ = std::move(packets);
    replies_.clear();
    sent_ = 0;
    answered_ = 0;
    waiting_for_ = 0;
    is_suspended_ = false;
    is_broken_ = false;
    if (mysql_ == nullptr) {
        give_up(CR_SERVER_GONE_ERROR, "the application has closed or reconnected the session");
        return;
    }
    const bool is_as_wanted = packing == Packing::own_verbs ||
                              takes_many_statements_ == (packing == Packing::many_statements);
    call_.step = is_as_wanted ? Step::send : Step::switch_packing;
    run(0);
}

std::optional<Reply> Session::receive_first() noexcept {
    if (!is_first_awaited_) {
        return std::nullopt;
    }
    advance();
    if (!is_first_there() || answered_ == packets_.size()) {
        return std::nullopt;
    }
    is_first_awaited_ = false;
    auto first = std::move(replies_.front());
    replies_.clear();
    return first;
}

std::optional<std::vector<Reply>> Session::receive() noexcept {
    // What arrives only now is for the next receive_first(): here nobody would notice that it is
    // the first, and then wait for a server that has nothing more to say.
    if (!is_first_awaited_) {
        advance();
    }
    if (answered_ < packets_.size()) {
        return std::nullopt;
    }
    return std::exchange(replies_, {});
}

/// Carries the exchange on with what has arrived.
void Session::advance() {
    if (waiting_for_ == 0) {
        run(0);
        return;
    }
    const auto wanted = readiness();
    pollfd ready{
        wanted.descriptor,
        static_cast<short>((wanted.for_reading ? POLLIN : 0) | (wanted.for_writing ? POLLOUT : 0)),
        0};
    if (!is_broken_ && ::poll(&ready, 1, 0) > 0) {
        run(ready.revents);
    }
}

bool Session::is_first_there() const noexcept {
    return is_first_awaited_ && !replies_.empty();
}

xa_tm::Connection::Readiness Session::readiness() const noexcept {
    return {client_library::socket_of(*mysql_), (waiting_for_ & POLLIN) != 0,
            (waiting_for_ & POLLOUT) != 0};
}

void Session::disconnect() noexcept {
    if (mysql_ != nullptr) {
        ::shutdown(client_library::socket_of(*mysql_), SHUT_RDWR);
    }
    is_broken_ = true;
}

/// Nothing of what was asked has been answered, so that the client library can't have it already.
bool Session::is_before_first_reply() const noexcept {
    return call_.step == Step::read_first && answered_ == 0;
}

/// Carries the exchange on until a step has to wait for the network, or all replies are there that
/// are asked for. No step is suspended while nothing has arrived, nor behind the first reply:
/// another thread may take the replies, or the others, and the client library must not be left and
/// entered again by two.
void Session::run(short ready) {
    while (!is_broken_ && answered_ < packets_.size() && !is_first_there()) {
        if (!is_suspended_ && ready == 0 && is_before_first_reply()) {
            waiting_for_ = POLLIN;
            return;
        }
        waiting_for_ =
            is_suspended_ ? client_library::resume_step(*mysql_, call_, ready) : start_step();
        is_suspended_ = waiting_for_ != 0;
        if (is_suspended_) {
            return;
        }
        finish_step();
    }
}

short Session::start_step() {
    if (call_.step == Step::switch_packing) {
        call_.packing = takes_many_statements_ ? MYSQL_OPTION_MULTI_STATEMENTS_OFF
                                               : MYSQL_OPTION_MULTI_STATEMENTS_ON;
    } else if (call_.step == Step::send) {
        call_.packet = packets_[sent_];
    }
    return client_library::start_step(*mysql_, call_);
}

void Session::finish_step() {
    switch (call_.step) {
        case Step::switch_packing:
            if (call_.has_failed) {
                give_up(last_error(), ::mysql_error(mysql_));
                return;
            }
            takes_many_statements_ = !takes_many_statements_;
            call_.step = Step::send;
            return;
        case Step::send:
            if (call_.has_failed) {
                give_up(last_error(), ::mysql_error(mysql_));
            } else if (++sent_ == packets_.size()) {
                call_.step = Step::read_first;
            }
            return;
        case Step::read_first: call_.has_failed ? take_error() : take_result(); return;
        case Step::read_next: call_.has_failed ? take_error() : take_result(); return;
        case Step::store:
            if (call_.stored == nullptr) {
                take_error();
                return;
            }
            take_rows(*call_.stored);
            ::mysql_free_result(std::exchange(call_.stored, nullptr));
            finish_result();
            return;
    }
}

void Session::take_result() {
    if (::mysql_field_count(mysql_) != 0) {
        call_.step = Step::store;
        return;
    }
    replies_.push_back({.is_ok = true,
                        .affected_rows = ::mysql_affected_rows(mysql_),
                        .inserted_id = ::mysql_insert_id(mysql_),
                        .warnings = ::mysql_warning_count(mysql_),
                        .transaction_state = last_transaction_state()});
    finish_result();
}

void Session::finish_result() {
    if (::mysql_more_results(mysql_) != 0) {
        call_.step = Step::read_next;
        return;
    }
    ++answered_;
    call_.step = Step::read_first;
}

void Session::take_rows(MYSQL_RES& result) {
    Reply reply{.is_ok = true};
    const auto columns = ::mysql_num_fields(&result);
    for (const auto& field : std::span{::mysql_fetch_fields(&result), columns}) {
        reply.columns.emplace_back(field.name, field.name_length);
    }
    while (MYSQL_ROW row = ::mysql_fetch_row(&result)) {
        const auto* lengths = ::mysql_fetch_lengths(&result);
        auto& values = reply.rows.emplace_back();
        for (unsigned column = 0; column < columns; ++column) {
            values.push_back(row[column] == nullptr
                                 ? std::nullopt
                                 : std::optional{std::string{row[column], lengths[column]}});
        }
    }
    replies_.push_back(std::move(reply));
}

void Session::take_error() {
    const auto error = last_error();
    if (error >= CR_MIN_ERROR && error <= CR_MAX_ERROR) {
        give_up(error, ::mysql_error(mysql_));
        return;
    }
    replies_.push_back({.error = error,
                        .sqlstate = ::mysql_sqlstate(mysql_),
                        .message = one_line(::mysql_error(mysql_))});
    ++answered_;
    call_.step = Step::read_first;
}

void Session::give_up(int error, const std::string& why) {
    is_broken_ = true;
    for (; answered_ < packets_.size(); ++answered_) {
        replies_.push_back({.error = error, .message = one_line(why)});
    }
}

}  // namespace xa_tm::mysql

// Invariants:
// - a branch is in branches_ from start until it is finished, and prepared exactly while it has no
//   owner;
// - everything but a session's own descriptor and pending answer is guarded by mutex_.

#include "fake_resource_manager.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "xa_tm/decision_table.h"
#include "xa_tm/error.h"
#include "xa_tm/recovery_log/check.h"

namespace xa_tm::test {

/// One connection; its descriptor is readable when the answer is there.
class FakeResourceManager::Session final : public Connection {
public:
    Session(FakeResourceManager& manager, std::uint64_t number, SessionMark mark)
        : manager_{manager},
          number_{number},
          mark_{std::move(mark)},
          descriptor_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)} {
        XA_TM_CHECK(descriptor_ >= 0, "a test opens few descriptors");
    }
    ~Session() override {
        manager_.disconnect(*this);
        ::close(descriptor_);
    }

    using Connection::send;
    void send(std::vector<Request> batch) noexcept override {
        XA_TM_CHECK(outstanding_ == 0, "the answers to the batch before have been received");
        outstanding_ = batch.size();
        manager_.count_trip();
        bool may_go_on = true;
        for (const auto& request : batch) {
            auto answer = may_go_on ? manager_.deliver(*this, request) : not_carried_out();
            may_go_on = answer && answer->code == XaCode::ok;
            if (!answer) {
                break;  // nothing more comes, ever
            }
            answers_.push_back(*std::move(answer));
        }
        if (!answers_.empty()) {
            const std::uint64_t one = 1;
            XA_TM_CHECK(::write(descriptor_, &one, sizeof one) == sizeof one, "an eventfd takes 1");
        }
    }

    std::optional<Answer> receive() noexcept override {
        if (answers_.empty()) {
            return std::nullopt;
        }
        --outstanding_;
        auto answer = std::move(answers_.front());
        answers_.pop_front();
        if (answers_.empty()) {
            std::uint64_t count = 0;
            XA_TM_CHECK(::read(descriptor_, &count, sizeof count) == sizeof count,
                        "it was written");
        }
        return answer;
    }

    [[nodiscard]] SessionId session_id() const override {
        return {.number = number_, .since = "the test's start"};
    }

    Readiness readiness() const noexcept override { return {descriptor_, true, false}; }

    bool is_reusable() const noexcept override {
        const std::lock_guard lock{manager_.mutex_};
        return !is_broken_ && outstanding_ == 0 && manager_.active_branch(*this) == nullptr;
    }

    bool is_open_to_application() const noexcept override {
        const std::lock_guard lock{manager_.mutex_};
        return is_open_;
    }

    FakeResourceManager& manager_;
    const std::uint64_t number_;
    const SessionMark mark_;
    const int descriptor_;
    std::size_t outstanding_ = 0;
    std::deque<Answer> answers_;
    // Guarded by the manager's mutex_.
    bool is_broken_ = false;
    bool is_open_ = false;
};

namespace {

/// What a value is in the fake's statements and rows.
struct ValueText {
    std::string operator()(std::nullptr_t) const { return "null"; }
    std::string operator()(const Bytes& bytes) const { return bytes.data; }
    std::string operator()(const auto& value) const { return fmt::format("{}", value); }
};

/// The statement with its arguments filled in; nothing when there are more or fewer placeholders.
std::optional<std::string> filled_in(const std::string& text, const std::vector<Value>& arguments) {
    std::string filled;
    std::size_t taken = 0;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const bool is_numbered =
            text[at] == '$' && text.substr(at + 1, 1).find_first_of("123456789") == 0;
        if (text[at] != '?' && !is_numbered) {
            filled += text[at];
            continue;
        }
        const auto index = is_numbered ? static_cast<std::size_t>(text[++at] - '1') : taken;
        if (index >= arguments.size()) {
            return std::nullopt;
        }
        filled += std::visit(ValueText{}, arguments[index]);
        taken = std::max(taken, index + 1);
    }
    return taken == arguments.size() ? std::optional{filled} : std::nullopt;
}

/// What follows a statement's first words; nothing when it has others.
std::optional<std::string_view> behind(std::string_view words, std::string_view statement) {
    return statement.starts_with(words) ? std::optional{statement.substr(words.size())}
                                        : std::nullopt;
}

Answer refused(std::string why) {
    return {.code = XaCode::rmerr, .message = std::move(why), .native_error = 1};
}

[[noreturn]] void throw_ended(const std::string& resource) {
    throw Error({.code = ErrorCode::invalid_state, .resource = resource}, "the branch has ended");
}

}  // namespace

void FakeResourceManager::Work::write(const std::string& row) const {
    auto& manager = session_->manager_;
    const std::lock_guard lock{manager.mutex_};
    if (session_->is_broken_) {
        throw Error({.code = ErrorCode::resource_unreachable, .resource = manager.name()},
                    "the session has ended");
    }
    auto* branch = manager.active_branch(*session_);
    if (!session_->is_open_ || branch == nullptr) {
        throw_ended(manager.name());
    }
    branch->writes.insert(row);
}

void FakeResourceManager::Work::fail_statement() const {
    const std::lock_guard lock{session_->manager_.mutex_};
    if (auto* branch = session_->manager_.active_branch(*session_)) {
        branch->has_failed = true;
    }
}

void FakeResourceManager::Work::lose_deadlock() const {
    const std::lock_guard lock{session_->manager_.mutex_};
    if (auto* branch = session_->manager_.active_branch(*session_)) {
        branch->rollback_only = XaCode::rbdeadlock;
    }
}

void FakeResourceManager::Work::end_session() const {
    const std::lock_guard lock{session_->manager_.mutex_};
    session_->manager_.end(*session_);
}

FakeResourceManager::FakeResourceManager(std::string name, DatasourceOptions options)
    : Datasource{std::move(name), options}, has_decision_table_{options.keeps_decisions()} {}

FakeResourceManager::~FakeResourceManager() = default;

std::unique_ptr<Connection> FakeResourceManager::connect(const SessionMark& mark) {
    const std::lock_guard lock{mutex_};
    if (!is_reachable_) {
        throw Error({.code = ErrorCode::resource_unreachable, .resource = name()},
                    fmt::format("resource {}: set to be unreachable", name()));
    }
    ++connects_;
    auto session = std::make_unique<Session>(*this, connects_, mark);
    sessions_.insert(session.get());
    return session;
}

FakeResourceManager::Work FakeResourceManager::branch_of(Connection& connection) {
    return Work{static_cast<Session&>(connection)};
}

void FakeResourceManager::answer_next(Verb verb, Answer answer, std::size_t skip) {
    const std::lock_guard lock{mutex_};
    scripts_.push_back({verb, skip, std::move(answer), std::nullopt});
}

void FakeResourceManager::answer_next(Verb verb, XaCode code, std::size_t skip) {
    answer_next(verb, Answer{.code = code, .message = "forced by the test"}, skip);
}

void FakeResourceManager::fail_next(Verb verb, Fault fault, std::size_t skip) {
    const std::lock_guard lock{mutex_};
    scripts_.push_back({verb, skip, std::nullopt, fault});
}

void FakeResourceManager::set_reachable(bool is_reachable) {
    const std::lock_guard lock{mutex_};
    is_reachable_ = is_reachable;
    if (!is_reachable) {
        for (auto* session : sessions_) {
            session->is_broken_ = true;
        }
        std::erase_if(branches_, [](const auto& entry) { return entry.second.owner != nullptr; });
    }
}

void FakeResourceManager::add_prepared(const ListedBranch& branch) {
    const std::lock_guard lock{mutex_};
    if (branch.xid) {
        branches_.emplace(*branch.xid, BranchModel{});
    } else {
        foreign_.push_back(branch);
    }
}

void FakeResourceManager::drop(const Xid& xid) {
    const std::lock_guard lock{mutex_};
    branches_.erase(xid);
}

void FakeResourceManager::set_position(const ServerPosition& position) {
    const std::lock_guard lock{mutex_};
    position_ = position;
}

void FakeResourceManager::advance() {
    position_.flushed += position_.flushed > 0 ? 1 : 0;
}

void FakeResourceManager::block(const Xid& xid, const BlockedSession& session) {
    const std::lock_guard lock{mutex_};
    branches_.at(xid).blocked.push_back(session);
}

std::vector<std::string> FakeResourceManager::session_marks() const {
    const std::lock_guard lock{mutex_};
    std::vector<std::string> marks;
    for (const auto* session : sessions_) {
        if (!session->is_broken_) {
            marks.push_back(session->mark_.text);
        }
    }
    return marks;
}

void FakeResourceManager::set_up_decision_table() {
    const std::lock_guard lock{mutex_};
    has_decision_table_ = true;
}

void FakeResourceManager::drop_decision_table() {
    const std::lock_guard lock{mutex_};
    has_decision_table_ = false;
    decisions_.clear();
}

std::vector<std::string> FakeResourceManager::decided() const {
    const std::lock_guard lock{mutex_};
    std::vector<std::string> gtrids;
    for (const auto& [gtrid, row] : decisions_) {
        gtrids.push_back(gtrid);
    }
    return gtrids;
}

std::vector<SentVerb> FakeResourceManager::sent() const {
    const std::lock_guard lock{mutex_};
    return sent_;
}

std::vector<Verb> FakeResourceManager::verbs_of(std::string_view gtrid) const {
    std::vector<Verb> verbs;
    for (const auto& entry : sent()) {
        if (entry.xid.gtrid == gtrid) {
            verbs.push_back(entry.verb);
        }
    }
    return verbs;
}

std::vector<SentStatement> FakeResourceManager::statements_of(std::string_view gtrid) const {
    const std::lock_guard lock{mutex_};
    std::vector<SentStatement> statements;
    for (const auto& [xid, statement] : statements_) {
        if (xid.gtrid == gtrid) {
            statements.push_back(statement);
        }
    }
    return statements;
}

std::vector<Xid> FakeResourceManager::prepared() const {
    const std::lock_guard lock{mutex_};
    std::vector<Xid> xids;
    for (const auto& [xid, branch] : branches_) {
        if (branch.owner == nullptr) {
            xids.push_back(xid);
        }
    }
    return xids;
}

std::vector<std::string> FakeResourceManager::witnessed() const {
    const std::lock_guard lock{mutex_};
    std::vector<std::string> gtrids;
    for (const auto& [evidence, row] : witnesses_) {
        if (row.is_there) {
            gtrids.push_back(row.gtrid);
        }
    }
    return gtrids;
}

bool FakeResourceManager::has_row(const std::string& row) const {
    const std::lock_guard lock{mutex_};
    return rows_.contains(row);
}

void FakeResourceManager::count_trip() {
    const std::lock_guard lock{mutex_};
    ++trips_;
}

std::string FakeResourceManager::evidence_of(Verb verb) const {
    const std::lock_guard lock{mutex_};
    const auto found = evidence_.find(verb);
    return found == evidence_.end() ? "" : found->second;
}

std::size_t FakeResourceManager::trips() const {
    const std::lock_guard lock{mutex_};
    return trips_;
}

std::size_t FakeResourceManager::connects() const {
    const std::lock_guard lock{mutex_};
    return connects_;
}

std::optional<Answer> FakeResourceManager::deliver(Session& session, const Request& request) {
    const std::lock_guard lock{mutex_};
    const auto verb = request.verb;
    const auto& xid = request.xid;
    const Answer lost{.code = XaCode::rmfail, .message = "the connection is lost"};
    session.is_open_ = session.is_open_ && verb == Verb::execute;
    if (session.is_broken_) {
        return lost;
    }
    sent_.push_back({verb, xid});
    if (verb == Verb::execute) {
        statements_.emplace_back(xid, SentStatement{request.statement, request.arguments});
    }
    evidence_[verb] = request.evidence;
    const auto script = next_script(verb);
    if (!script) {
        return carry_out(session, request);
    }
    if (script->answer) {
        apply(*script->answer, xid);
        return script->answer;
    }
    if (script->fault == Fault::lose_answer || script->fault == Fault::stall_answer) {
        static_cast<void>(carry_out(session, request));
    }
    if (script->fault == Fault::stall_request || script->fault == Fault::stall_answer) {
        return std::nullopt;
    }
    end(session);
    return lost;
}

std::optional<FakeResourceManager::Script> FakeResourceManager::next_script(Verb verb) {
    for (auto script = scripts_.begin(); script != scripts_.end(); ++script) {
        if (script->verb != verb) {
            continue;
        }
        if (script->skip > 0) {
            --script->skip;
            continue;
        }
        auto found = std::move(*script);
        scripts_.erase(script);
        return found;
    }
    return std::nullopt;
}

void FakeResourceManager::apply(const Answer& answer, const Xid& xid) {
    if (answer.code == XaCode::rdonly || answer.code == XaCode::heurcom) {
        commit_writes(xid);
    } else if (is_rolled_back(answer.code) || answer.code == XaCode::heurrb ||
               answer.code == XaCode::nota) {
        branches_.erase(xid);
    }
}

Answer FakeResourceManager::carry_out(Session& session, const Request& request) {
    const auto verb = request.verb;
    const auto& xid = request.xid;
    switch (verb) {
        case Verb::start: return start(session, xid);
        case Verb::execute: return execute(session, request);
        case Verb::prepare: return end_branch(session, verb, xid, request.log);
        case Verb::commit_one_phase: return end_branch(session, verb, xid);
        case Verb::commit_with_decision: return commit_with_decision(session, request);
        case Verb::list_decisions: return list_decisions(session, request.log);
        case Verb::forget_decisions: return forget_decisions(session, request.gtrids);
        case Verb::list_witnesses: return list_witnesses(session, request.log);
        case Verb::forget_witnesses: return forget_witnesses(session, request.witnesses);
        case Verb::commit:
        case Verb::rollback: return finish(session, request);
        case Verb::recover: return list();
        case Verb::locate:
            return branches_.contains(xid) ? Answer{.code = XaCode::retry}
                                           : fate(verb, request.evidence);
        case Verb::end_session: return end_session(request.session);
        case Verb::end_ended_sessions: return end_ended_sessions(session);
        case Verb::examine: return examine(xid);
    }
    XA_TM_CHECK(false, "every verb is modelled");
}

Answer FakeResourceManager::start(Session& session, const Xid& xid) {
    if (xid.gtrid.empty() || xid.gtrid.size() > kMaxGtridBytes) {
        return {.code = XaCode::inval};
    }
    if (active_branch(session) != nullptr) {
        return {.code = XaCode::proto};
    }
    if (!branches_.emplace(xid, BranchModel{.owner = &session}).second) {
        return {.code = XaCode::dupid};
    }
    session.is_open_ = true;
    return {};
}

Answer FakeResourceManager::execute(Session& session, const Request& request) {
    auto* branch = active_branch(session);
    if (branch == nullptr) {
        return {.code = XaCode::proto};
    }
    const auto statement = request.arguments.empty()
                               ? std::optional{request.statement}
                               : filled_in(request.statement, request.arguments);
    auto answer = statement ? execute(*branch, *statement, request.wants_result)
                            : refused("there are not as many arguments as placeholders");
    branch->has_failed = branch->has_failed || answer.code != XaCode::ok;
    return answer;
}

Answer FakeResourceManager::execute(BranchModel& branch, std::string_view statement,
                                    bool wants_result) const {
    if (const auto name = behind("rollback to savepoint ", statement)) {
        return return_to_savepoint(branch, *name);
    }
    if (branch.has_failed || branch.rollback_only) {
        return refused("a statement has failed before");
    }
    if (const auto name = behind("savepoint ", statement)) {
        branch.savepoints.push_back({std::string{*name}, branch.writes});
        return {};
    }
    if (statement.starts_with("conflict")) {
        branch.rollback_only = XaCode::rbdeadlock;
        return {.code = XaCode::rbdeadlock, .message = "deadlock", .is_conflict = true};
    }
    if (const auto key = behind("read ", statement)) {
        return read(branch, *key, wants_result);
    }
    if (statement.starts_with("fail")) {
        return refused("the statement can't be run");
    }
    return write(branch, statement);
}

Answer FakeResourceManager::write(BranchModel& branch, std::string_view statement) {
    Answer answer{.rows = 1};
    if (const auto counted = behind("rows ", statement)) {
        const auto blank = counted->find(' ');
        XA_TM_CHECK(blank != std::string_view::npos, "a text follows the number of rows");
        std::from_chars(counted->data(), counted->data() + blank, answer.rows);
        statement = counted->substr(blank + 1);
    }
    if (answer.rows > 0) {
        branch.writes.emplace(statement);
    }
    return answer;
}

Answer FakeResourceManager::return_to_savepoint(BranchModel& branch, std::string_view name) {
    const auto has_name = [name](const Savepoint& savepoint) { return savepoint.name == name; };
    const auto last = std::find_if(branch.savepoints.rbegin(), branch.savepoints.rend(), has_name);
    if (branch.rollback_only || last == branch.savepoints.rend()) {
        return refused("there is no such savepoint");
    }
    branch.writes = last->writes;
    branch.savepoints.erase(last.base(), branch.savepoints.end());
    branch.has_failed = false;
    return {};
}

Answer FakeResourceManager::read(const BranchModel& branch, std::string_view key,
                                 bool wants_result) const {
    Answer answer;
    auto rows = rows_;
    rows.insert(branch.writes.begin(), branch.writes.end());
    for (const auto& row : rows) {
        if (const auto value = behind(fmt::format("{}=", key), row)) {
            answer.result.rows.push_back(
                {*value == "null" ? std::nullopt : std::optional<std::string>{*value}});
        }
    }
    answer.rows = answer.result.rows.size();
    answer.result.columns.push_back("value");
    if (!wants_result) {
        answer.result = {};
    }
    return answer;
}

Answer FakeResourceManager::end_session(const SessionId& id) {
    for (auto* session : sessions_) {
        if (session->session_id() == id) {
            end(*session);
        }
    }
    return {};
}

Answer FakeResourceManager::end_ended_sessions(const Session& asking) {
    for (auto* session : sessions_) {
        if (std::ranges::find(asking.mark_.ended, session->mark_.text) !=
            asking.mark_.ended.end()) {
            end(*session);
        }
    }
    return {};
}

Answer FakeResourceManager::examine(const Xid& xid) const {
    const auto found = branches_.find(xid);
    if (found == branches_.end() || found->second.owner != nullptr) {
        return {.code = XaCode::nota, .message = "unknown xid"};
    }
    Answer answer;
    for (const auto& row : found->second.writes) {
        answer.holdings.locks.push_back(
            {.object = fmt::format("row {}", row), .mode = "exclusive"});
    }
    answer.holdings.blocked = found->second.blocked;
    return answer;
}

/// At the server's side: what is not prepared is rolled back.
void FakeResourceManager::end(Session& session) {
    session.is_broken_ = true;
    session.is_open_ = false;
    std::erase_if(branches_,
                  [&session](const auto& entry) { return entry.second.owner == &session; });
}

Answer FakeResourceManager::end_branch(Session& session, Verb verb, const Xid& xid,
                                       const std::string& log) {
    const auto found = branches_.find(xid);
    if (found == branches_.end() || found->second.owner != &session) {
        return {.code = XaCode::proto};
    }
    auto& branch = found->second;
    if (branch.has_failed || branch.rollback_only) {
        const auto code = branch.rollback_only.value_or(XaCode::rbrollback);
        branches_.erase(found);
        return {.code = code, .message = "the branch can only be rolled back"};
    }
    if (verb == Verb::prepare && (!branch.writes.empty() || !log.empty())) {
        branch.owner = nullptr;
        advance();
        if (!log.empty()) {
            const auto id = witnesses_.size() + 1;
            branch.witness = fmt::format("witness {} of {}", id, log);
            witnesses_[branch.witness] = {xid.gtrid, log, id};
        }
        return {.evidence = branch.witness};
    }
    const bool is_read_only = branch.writes.empty();
    commit_writes(xid);
    return {.code = is_read_only && verb == Verb::prepare ? XaCode::rdonly : XaCode::ok};
}

Answer FakeResourceManager::finish(Session& session, const Request& request) {
    const auto verb = request.verb;
    const auto& xid = request.xid;
    const auto found = branches_.find(xid);
    const auto* own = active_branch(session);
    if (own != nullptr && (found == branches_.end() || &found->second != own)) {
        return {.code = XaCode::proto};
    }
    if (found == branches_.end()) {
        return fate(verb, request.evidence);
    }
    const auto* owner = found->second.owner;
    if (owner == nullptr && verb == Verb::commit) {
        commit_writes(xid);
        return {};
    }
    if (verb == Verb::rollback && (owner == nullptr || owner == &session)) {
        branches_.erase(found);
        return {};
    }
    return owner == &session ? Answer{.code = XaCode::proto}
                             : Answer{.code = XaCode::nota, .message = "unknown xid"};
}

Answer FakeResourceManager::commit_with_decision(Session& session, const Request& request) {
    const auto& xid = request.xid;
    const bool can_write = has_decision_table_ && !decisions_.contains(xid.gtrid);
    auto* branch = active_branch(session);
    if (branch != nullptr && !can_write) {
        branch->has_failed = true;
    }
    auto answer = end_branch(session, Verb::commit_one_phase, xid);
    if (answer.code == XaCode::ok) {
        decisions_[xid.gtrid] = {request.log, request.decision};
    } else if (!has_decision_table_) {
        answer.message = advice_to_set_up(name());
    }
    return answer;
}

std::optional<Answer> FakeResourceManager::refusal_of_table(const Session& session) {
    if (active_branch(session) != nullptr) {
        return Answer{.code = XaCode::proto};
    }
    return has_decision_table_
               ? std::nullopt
               : std::optional{Answer{.code = XaCode::rmerr, .message = advice_to_set_up(name())}};
}

Answer FakeResourceManager::list_decisions(const Session& session, const std::string& log) {
    if (auto refusal = refusal_of_table(session)) {
        return *std::move(refusal);
    }
    Answer answer{.position = position_};
    for (const auto& [gtrid, row] : decisions_) {
        if (row.log == log) {
            answer.decisions.push_back({gtrid, row.decision});
        }
    }
    return answer;
}

Answer FakeResourceManager::forget_decisions(const Session& session,
                                             const std::vector<std::string>& gtrids) {
    if (auto refusal = refusal_of_table(session)) {
        return *std::move(refusal);
    }
    for (const auto& gtrid : gtrids) {
        decisions_.erase(gtrid);
    }
    return {};
}

Answer FakeResourceManager::list_witnesses(const Session& session, const std::string& log) {
    if (active_branch(session) != nullptr) {
        return {.code = XaCode::proto};
    }
    Answer answer;
    for (const auto& [evidence, row] : witnesses_) {
        if (row.is_there && row.log == log) {
            answer.witnesses.push_back({row.gtrid, evidence});
        }
    }
    return answer;
}

Answer FakeResourceManager::forget_witnesses(const Session& session,
                                             const std::vector<std::string>& rows) {
    if (active_branch(session) != nullptr) {
        return {.code = XaCode::proto};
    }
    const auto is_known = [this](const std::string& row) { return witnesses_.contains(row); };
    if (rows.empty() || !std::ranges::all_of(rows, is_known)) {
        return {.code = XaCode::inval};
    }
    for (const auto& evidence : rows) {
        auto& row = witnesses_.at(evidence);
        row.is_there = false;
        auto& through = removed_through_[row.log];
        through = std::max(through, row.id);
    }
    return {};
}

Answer FakeResourceManager::fate(Verb verb, const std::string& evidence) const {
    const auto found = witnesses_.find(evidence);
    const Answer unknown{.code = XaCode::nota, .message = "unknown xid"};
    if (verb == Verb::rollback || found == witnesses_.end()) {
        return unknown;
    }
    const auto& row = found->second;
    if (row.is_there) {
        return {.code = verb == Verb::commit ? XaCode::ok : XaCode::nota, .is_proven = true};
    }
    const auto removed = removed_through_.find(row.log);
    const bool may_be_removed = removed != removed_through_.end() && removed->second >= row.id;
    return may_be_removed ? unknown
                          : Answer{.code = XaCode::heurrb, .message = "no witness row is there"};
}

Answer FakeResourceManager::list() const {
    Answer answer{.listed = foreign_, .position = position_};
    for (const auto& [xid, branch] : branches_) {
        if (branch.owner == nullptr) {
            answer.listed.push_back(
                {.xid = xid, .name = fmt::format("{}:{}", to_hex(xid.gtrid), to_hex(xid.bqual))});
        }
    }
    return answer;
}

void FakeResourceManager::commit_writes(const Xid& xid) {
    if (const auto found = branches_.find(xid); found != branches_.end()) {
        rows_.merge(found->second.writes);
        if (const auto row = witnesses_.find(found->second.witness); row != witnesses_.end()) {
            row->second.is_there = true;
        }
        advance();
        branches_.erase(found);
    }
}

void FakeResourceManager::disconnect(Session& session) {
    const std::lock_guard lock{mutex_};
    sessions_.erase(&session);
    std::erase_if(branches_,
                  [&session](const auto& entry) { return entry.second.owner == &session; });
}

FakeResourceManager::BranchModel* FakeResourceManager::active_branch(const Session& session) {
    for (auto& [xid, branch] : branches_) {
        if (branch.owner == &session) {
            return &branch;
        }
    }
    return nullptr;
}

}  // namespace xa_tm::test

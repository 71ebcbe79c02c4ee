#include "xa_tm/conformance/subject.h"

#include <stdexcept>

namespace xa_tm::conformance {
namespace {

[[noreturn]] void throw_missing(const char* function) {
    throw std::logic_error(std::string{"the traits say that the subject can do it, so override "} +
                           function);
}

}  // namespace

std::string Subject::insert_statement(int) const {
    throw_missing("insert_statement()");
}

std::string Subject::failing_statement() const {
    throw_missing("failing_statement()");
}

std::string Subject::update_statement(int) const {
    throw_missing("update_statement()");
}

std::string Subject::keep_statement(const Value&) const {
    throw_missing("keep_statement()");
}

std::string Subject::recall_statement(const Value&) const {
    throw_missing("recall_statement()");
}

void Subject::lock_row(Connection&, int) {
    throw_missing("lock_row()");
}

std::shared_ptr<void> Subject::wait_for_row(const Xid&, int) {
    throw_missing("wait_for_row()");
}

Connection& Subject::make_deadlock(Connection&, Connection&) {
    throw_missing("make_deadlock()");
}

void Subject::reopen() {
    throw_missing("reopen()");
}

std::unique_ptr<Connection> Subject::connect_last_resource() {
    throw_missing("connect_last_resource()");
}

void Subject::set_up_decision_table() {
    throw_missing("set_up_decision_table()");
}

void Subject::drop_decision_table() {
    throw_missing("drop_decision_table()");
}

std::unique_ptr<Connection> Subject::connect_with_witness() {
    throw_missing("connect_with_witness()");
}

void Subject::end_session(Connection&) {
    throw_missing("end_session()");
}

}  // namespace xa_tm::conformance

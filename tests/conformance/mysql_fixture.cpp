#include "mysql_fixture.h"

#include <stdexcept>

#include <poll.h>

namespace xa_tm::test {

std::vector<Answer> run_batch(Connection& connection, std::vector<Request> batch) {
    const auto count = batch.size();
    std::vector<Answer> answers;
    connection.send(std::move(batch));
    const auto take_all = [&] {
        while (answers.size() < count) {
            auto answer = connection.receive();
            if (!answer) {
                return false;
            }
            answers.push_back(*std::move(answer));
        }
        return true;
    };
    if (!eventually(take_all)) {
        throw std::runtime_error("an answer of the batch is missing");
    }
    return answers;
}

Answer run_statement(Connection& connection, const Xid& xid, std::string statement) {
    return run_batch(connection,
                     {{.verb = Verb::execute, .xid = xid, .statement = std::move(statement)}})
        .front();
}

}  // namespace xa_tm::test

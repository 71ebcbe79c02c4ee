#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace soci {
class session;
}

namespace xa_tm::test {

/// A plain connection to one database, in autocommit, by which tests prepare and read back.
///
/// Ownership: owns its connection.
/// Thread safety: one thread at a time.
class Database {
public:
    /// A URI of any kind that our datasources take. Throws soci::soci_error.
    explicit Database(const std::string& uri);
    Database(Database&&) noexcept;
    Database& operator=(Database&&) noexcept;
    ~Database();

    void execute(const std::string& statement);
    /// The first column of the first row.
    [[nodiscard]] std::int64_t number(const std::string& query);
    /// The first column of every row.
    [[nodiscard]] std::vector<std::string> column(const std::string& query);

    /// Leaves a branch prepared that has run this statement, as another transaction manager would.
    /// The name is in the server's own syntax, such as 'a' or, at a MySQL, 'a','b',7. MariaDB and
    /// MySQL forget a branch without changes when they die, so the statement shall write.
    void prepare_branch(const std::string& name, const std::string& statement);
    void rollback_prepared(const std::string& name);
    /// What is prepared at the server, as its own list shows it: gid, or gtrid and bqual run
    /// together.
    [[nodiscard]] std::vector<std::string> prepared();
    /// Sessions of user app at the server, this one included if it is one.
    [[nodiscard]] std::int64_t app_sessions();

    [[nodiscard]] bool is_postgresql() const noexcept { return is_postgresql_; }

private:
    bool is_postgresql_;
    std::unique_ptr<soci::session> session_;
};

}  // namespace xa_tm::test
